//===- Assemble.cpp - lpu-as ----------------------------------------------===//

#include "lpu/Binary/Assembly.h"
#include "lpu/Tools/Tools.h"
#include <csignal>
#include <fstream>
#include <iostream>
#include <iterator>

namespace lpu {
namespace {

constexpr const char *kUsage = "usage: lpu-as INPUT.lpuasm -o OUTPUT.lpu\n";

int fail(const std::string &message) {
  std::cerr << "lpu-as: " << message << "\n";
  return 1;
}

} // namespace

int runAssemble(int argc, char **argv) {
  // Beyond a limit of the file size a write fails, as on a full disk.
  std::signal(SIGXFSZ, SIG_IGN);
  std::string input, output;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    if (argument == "--help") {
      std::cout << kUsage;
      return 0;
    }
    if (argument == "-o" && i + 1 < argc) {
      output = argv[++i];
    } else if (argument[0] == '-' || !input.empty()) {
      return fail("unknown argument " + argument + "\n" + kUsage);
    } else {
      input = argument;
    }
  }
  if (input.empty() || output.empty()) {
    return fail(std::string("expected an input and -o OUTPUT\n") + kUsage);
  }
  std::ifstream file(input, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file) {
    return fail(input + ": cannot read");
  }
  absl::StatusOr<Program> program = assemble(text, input);
  absl::Status status =
      program.ok() ? writeProgram(*program, output) : program.status();
  return status.ok() ? 0 : fail(std::string(status.message()));
}

} // namespace lpu
