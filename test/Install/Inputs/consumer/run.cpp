// run TARGET PROGRAM X.npy Y.npy: verifies a binary for a machine and runs its entry.
#include "lpu/Executor/Executor.h"
#include "lpu/Support/Npy.h"
#include "lpu/Verifier/Verifier.h"
#include <cstdlib>
#include <iostream>

template <typename T> static T get(absl::StatusOr<T> value) {
  if (!value.ok()) {
    std::cerr << value.status().message() << "\n";
    std::exit(1);
  }
  return *std::move(value);
}

int main(int argc, char **argv) {
  if (argc != 5) {
    std::cerr << "expected TARGET PROGRAM X.npy Y.npy\n";
    return 1;
  }
  lpu::Target target = get(lpu::Target::lookup(argv[1]));
  auto program = std::make_shared<const lpu::Program>(get(lpu::readProgram(argv[2])));
  if (absl::Status status = lpu::verifyProgram(*program); !status.ok()) {
    std::cerr << status.message() << "\n";
    return 1;
  }
  lpu::Executor executor = get(lpu::Executor::create(program));
  lpu::NpyArray x = get(lpu::readNpy(argv[3]));
  const lpu::Entry &entry = program->entries.front().header;
  lpu::RunResult result = get(executor.run(
      entry.name(), {{"x", {*lpu::parseNumpyType(x.descr), x.shape, x.bytes}}}));
  const lpu::HostTensor &y = result.outputs.at("y");
  lpu::NpyArray out{std::string(lpu::numpyTypeString(y.type)), y.shape, y.bytes};
  std::cout << target.lanes() << " lanes, " << result.statistics.cycles << " cycles, "
            << entry.cycles() << " promised\n";
  return lpu::writeNpy(out, argv[4]).ok() ? 0 : 1;
}
