//===- Objdump.cpp - lpu-objdump ------------------------------------------===//

#include "lpu/Binary/Assembly.h"
#include "lpu/Tools/Tools.h"
#include <csignal>
#include <iostream>
#include <map>

namespace lpu {
namespace {

constexpr const char *kUsage =
    "usage: lpu-objdump INPUT.lpu [--headers | --memory-map] [--side-file FILE]\n"
    "  prints assembly text; large images go to FILE\n";

int fail(const std::string &message) {
  std::cerr << "lpu-objdump: " << message << "\n";
  return 1;
}

void printHeaders(const Program &program) {
  std::cout << "target " << program.target.name() << "\n";
  for (const EntryProgram &entry : program.entries) {
    size_t instructions = 0, bytes = 0;
    for (const QueueStream &queue : entry.queues) {
      instructions += queue.instructions.size();
      bytes += encodeQueue(program.target, queue).value_or(std::vector<uint8_t>()).size();
    }
    std::cout << "entry " << entry.header.name() << ": " << entry.header.cycles()
              << " cycles promised, " << entry.queues.size() << " queues, "
              << instructions << " instructions, " << bytes << " bytes, "
              << entry.intent.size() << " intent records\n";
    for (const TensorBinding &binding : entry.header.inputs()) {
      std::cout << "  input " << binding.name() << "\n";
    }
    for (const IntegerInput &input : entry.header.integer_inputs()) {
      std::cout << "  integer input " << input.name() << "\n";
    }
    for (const TensorBinding &binding : entry.header.outputs()) {
      std::cout << "  output " << binding.name() << "\n";
    }
  }
}

void printMemoryMap(const Program &program) {
  std::map<std::string, uint64_t> bytesByLabel;
  uint64_t used = 0;
  for (const ImageBytes &image : program.image) {
    uint64_t bytes = uint64_t(image.region.words().count()) * program.target.lanes();
    bytesByLabel[image.region.label()] += bytes;
    used += bytes;
  }
  for (const auto &[label, bytes] : bytesByLabel) {
    std::cout << bytes << "\t" << label << "\n";
  }
  std::cout << used << " of " << program.target.sramBytes() << " bytes\n";
}

} // namespace

int runObjdump(int argc, char **argv) {
  // Beyond a limit of the file size a write fails, as on a full disk.
  std::signal(SIGXFSZ, SIG_IGN);
  std::string input, sideFile, mode;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    if (argument == "--help") {
      std::cout << kUsage;
      return 0;
    }
    if (argument == "--headers" || argument == "--memory-map") {
      mode = argument;
    } else if (argument == "--side-file" && i + 1 < argc) {
      sideFile = argv[++i];
    } else if (argument[0] == '-' || !input.empty()) {
      return fail("unknown argument " + argument + "\n" + kUsage);
    } else {
      input = argument;
    }
  }
  if (input.empty()) {
    return fail(std::string("expected a binary\n") + kUsage);
  }
  absl::StatusOr<Program> program = readProgram(input);
  if (!program.ok()) {
    return fail(std::string(program.status().message()));
  }
  if (mode == "--headers") {
    printHeaders(*program);
    return 0;
  }
  if (mode == "--memory-map") {
    printMemoryMap(*program);
    return 0;
  }
  absl::StatusOr<std::string> text = disassemble(*program, sideFile);
  if (!text.ok()) {
    return fail(std::string(text.status().message()));
  }
  std::cout << *text;
  return 0;
}

} // namespace lpu
