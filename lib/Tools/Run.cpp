//===- Run.cpp - lpu-run --------------------------------------------------===//

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "lpu/Binary/Assembly.h"
#include "lpu/Executor/Executor.h"
#include "lpu/Support/AtomicFile.h"
#include "lpu/Support/Npy.h"
#include "lpu/Support/Strings.h"
#include "lpu/Tools/Tools.h"
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <optional>
#include <sstream>
#include <unistd.h>

namespace lpu {
namespace {

constexpr const char *kUsage =
    "usage: lpu-run PROGRAM [--entry NAME] [--input NAME=FILE.npy]...\n"
    "               [--output NAME=FILE.npy]... [--output-dir DIR] [--stats FILE]\n"
    "               [--next [--entry NAME] [--input NAME=FILE.npy]...]...\n"
    "  runs one entry of a binary (or of assembly text, *.lpuasm) on the\n"
    "  reference executor; --entry may be left out when there is one;\n"
    "       lpu-run PROGRAM --compare onnxruntime --model MODEL.onnx [OPTION]...\n"
    "  runs both with equal inputs and prints how far every output is apart;\n"
    "  options: python -m lpu.compare --help\n"
    "  --stats writes JSON, '-' to standard output; --next begins another run,\n"
    "  with the state that the runs before it left\n";

/// One run of an entry.
struct RunOptions {
  std::string entry, outputDir, stats;
  std::vector<std::pair<std::string, std::string>> inputs, outputs;
};
struct Options {
  std::string program;
  std::vector<RunOptions> runs{1};
};

int fail(const std::string &message) {
  std::cerr << "lpu-run: " << message << "\n";
  return 1;
}

absl::StatusOr<HostTensor> readTensorFile(const std::string &path) {
  absl::StatusOr<NpyArray> array = readNpy(path);
  if (!array.ok()) {
    return array.status();
  }
  std::optional<ElementType> type = parseNumpyType(array->descr);
  if (!type) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": no input has elements of type ", array->descr));
  }
  return HostTensor{*type, std::move(array->shape), std::move(array->bytes)};
}

absl::Status writeTensorFile(const HostTensor &tensor, const std::string &path) {
  return writeNpy({std::string(numpyTypeString(tensor.type)), tensor.shape, tensor.bytes},
                  path);
}

absl::Status parseOptions(int argc, char **argv, Options &options) {
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i], value;
    RunOptions &run = options.runs.back();
    if (argument == "--next") {
      options.runs.emplace_back();
      continue;
    }
    size_t equals = argument.find('=');
    bool takesFile = argument.starts_with("--");
    if (!takesFile) {
      if (!options.program.empty() || argument.starts_with("-")) {
        return absl::InvalidArgumentError(
            absl::StrCat("unexpected argument ", argument, "\n", kUsage));
      }
      options.program = argument;
      continue;
    }
    if (equals != std::string::npos) {
      value = argument.substr(equals + 1);
      argument.resize(equals);
    } else if (i + 1 < argc) {
      value = argv[++i];
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat(argument, ": expected a value\n", kUsage));
    }
    if (argument == "--entry") {
      run.entry = value;
    } else if (argument == "--output-dir") {
      run.outputDir = value;
    } else if (argument == "--stats") {
      run.stats = value;
    } else if (argument == "--input" || argument == "--output") {
      size_t split = value.find('=');
      if (split == std::string::npos) {
        return absl::InvalidArgumentError(absl::StrCat(
            argument, ": expected NAME=FILE.npy, got ", value));
      }
      (argument == "--input" ? run.inputs : run.outputs)
          .emplace_back(value.substr(0, split), value.substr(split + 1));
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown argument ", argument, "\n", kUsage));
    }
  }
  return options.program.empty()
             ? absl::InvalidArgumentError(
                   absl::StrCat("expected a program\n", kUsage))
             : absl::OkStatus();
}

std::string entryNames(const Program &program) {
  return absl::StrJoin(program.entries, ", ",
                       [](std::string *out, const EntryProgram &entry) {
                         out->append(entry.header.name());
                       });
}

void writeStats(std::ostream &out, const Program &program,
                const std::string &entry, const RunResult &result) {
  const RunStatistics &s = result.statistics;
  out << "{\"entry\": \"" << entry << "\", \"cycles\": " << s.cycles
      << ", \"instructions\": " << s.instructions << ", \"issues\": " << s.issues
      << ", \"words_read\": " << s.wordsRead
      << ", \"words_written\": " << s.wordsWritten
      << ", \"weight_rows\": " << s.weightRows
      << ", \"multiply_accumulates\": " << s.multiplyAccumulates
      << ", \"stream_drives\": " << s.streamDrives << ", \"weights_utilization\": "
      << s.utilization(program.target, UnitKind::MxmWeights)
      << ", \"issues_by_mnemonic\": {"
      << absl::StrJoin(s.issuesByMnemonic, ", ",
                       [](std::string *text, const auto &pair) {
                         absl::StrAppend(text, "\"", pair.first,
                                         "\": ", pair.second);
                       })
      << "}, \"saturations\": {"
      << absl::StrJoin(result.saturations, ", ",
                       [](std::string *text, const auto &pair) {
                         absl::StrAppend(text, "\"", pair.first,
                                         "\": ", pair.second);
                       })
      << "}}\n";
}

absl::Status writeOutputs(const RunOptions &options, const HostTensors &outputs) {
  for (const auto &[name, path] : options.outputs) {
    auto found = outputs.find(name);
    if (found == outputs.end()) {
      return absl::NotFoundError(absl::StrCat(
          "--output ", name, ": no such output, known outputs: ",
          absl::StrJoin(outputs, ", ", [](std::string *out, const auto &pair) {
            out->append(pair.first);
          })));
    }
    if (absl::Status s = writeTensorFile(found->second, path); !s.ok()) {
      return s;
    }
  }
  if (options.outputDir.empty()) {
    return absl::OkStatus();
  }
  std::error_code error;
  std::filesystem::create_directories(options.outputDir, error);
  if (error) {
    return absl::InternalError(
        absl::StrCat(options.outputDir, ": ", error.message()));
  }
  for (const auto &[name, tensor] : outputs) {
    // Names of tensors may hold slashes.
    std::string file = absl::StrJoin(absl::StrSplit(name, '/'), "_");
    if (absl::Status s =
            writeTensorFile(tensor, options.outputDir + "/" + file + ".npy");
        !s.ok()) {
      return s;
    }
  }
  return absl::OkStatus();
}

absl::Status run(const RunOptions &options, const Program &program, Executor &executor) {
  std::string entry = options.entry;
  if (entry.empty()) {
    if (program.entries.size() != 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("--entry: expected one of ", entryNames(program)));
    }
    entry = program.entries.front().header.name();
  }
  HostTensors inputs;
  for (const auto &[name, path] : options.inputs) {
    absl::StatusOr<HostTensor> tensor = readTensorFile(path);
    if (!tensor.ok()) {
      return tensor.status();
    }
    inputs[name] = std::move(*tensor);
  }
  absl::StatusOr<RunResult> result = executor.run(entry, inputs);
  if (!result.ok()) {
    return result.status();
  }
  for (const auto &[name, tensor] : result->outputs) {
    std::cout << "output " << name << ": "
              << elementTypeName(tensor.type) << "["
              << absl::StrJoin(tensor.shape, ",") << "]\n";
  }
  for (const auto &[name, count] : result->saturations) {
    if (count != 0) {
      std::cout << "saturated " << name << ": " << count << " lanes\n";
    }
  }
  double seconds = double(result->statistics.cycles) /
                   double(program.target.description().clock_hz());
  std::cout << "entry " << entry << ": " << result->statistics.cycles
            << " cycles, " << seconds * 1e6 << " us at "
            << program.target.description().clock_hz() / 1000000
            << " MHz, hazards 0\n";
  if (absl::Status s = writeOutputs(options, result->outputs); !s.ok()) {
    return s;
  }
  if (options.stats == "-") {
    writeStats(std::cout, program, entry, *result);
  } else if (!options.stats.empty()) {
    std::ostringstream text;
    writeStats(text, program, entry, *result);
    AtomicFile file(options.stats);
    file.write(text.view().data(), text.view().size());
    return file.commit();
  }
  return absl::OkStatus();
}

absl::Status run(const Options &options) {
  absl::StatusOr<Program> loaded = loadProgram(options.program);
  if (!loaded.ok()) {
    return loaded.status();
  }
  auto program = std::make_shared<const Program>(std::move(*loaded));
  absl::StatusOr<Executor> executor = Executor::create(program);
  if (!executor.ok()) {
    return executor.status();
  }
  for (const RunOptions &each : options.runs) {
    if (absl::Status s = run(each, *program, *executor); !s.ok()) {
      return s;
    }
  }
  return absl::OkStatus();
}

} // namespace

namespace {

/// Whether `--compare` is among the arguments, and what stands behind it.
std::optional<std::string> findCompare(int argc, char **argv) {
  for (int i = 1; i < argc; ++i) {
    std::string_view argument = argv[i];
    if (argument == "--compare") {
      return i + 1 < argc ? argv[i + 1] : "";
    }
    if (argument.starts_with("--compare=")) {
      return std::string(argument.substr(10));
    }
  }
  return std::nullopt;
}

/// Becomes lpu.compare, of the environment beside the tool or the one on PATH.
int runCompare(const std::string &with, int argc, char **argv) {
  if (with != "onnxruntime") {
    return fail("--compare: expected onnxruntime, got " + (with.empty() ? "nothing" : with));
  }
  std::string model, program;
  std::vector<std::string> rest;
  for (int i = 1; i < argc; ++i) {
    std::string argument = argv[i];
    if (argument == "--compare") {
      ++i;
    } else if (argument.starts_with("--compare=")) {
      continue;
    } else if (argument == "--model" && i + 1 < argc) {
      model = argv[++i];
    } else if (argument.starts_with("--model=")) {
      model = argument.substr(8);
    } else if (argument.starts_with("--") && argument.find('=') == std::string::npos &&
               i + 1 < argc) {
      rest.push_back(argument);
      rest.push_back(argv[++i]);
    } else if (argument.starts_with("-") || !program.empty()) {
      rest.push_back(argument);
    } else {
      program = argument;
    }
  }
  if (model.empty() || program.empty()) {
    return fail("--compare: expected PROGRAM and --model MODEL.onnx");
  }
  std::error_code error;
  std::filesystem::path folder =
      std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  std::string python = (folder.parent_path() / "venv/bin/python").string();
  if (!std::filesystem::exists(python, error)) {
    python = "python3";
  }
  std::vector<std::string> command{python, "-m", "lpu.compare", model, program};
  command.insert(command.end(), rest.begin(), rest.end());
  std::vector<char *> arguments;
  for (std::string &argument : command) {
    arguments.push_back(argument.data());
  }
  arguments.push_back(nullptr);
  execvp(arguments[0], arguments.data());
  return fail("--compare: cannot run " + python + ": " + std::strerror(errno));
}

} // namespace

int runRun(int argc, char **argv) {
  // Beyond a limit of the file size a write fails, as on a full disk.
  std::signal(SIGXFSZ, SIG_IGN);
  if (argc > 1 && std::string_view(argv[1]) == "--help") {
    std::cout << kUsage;
    return 0;
  }
  if (std::optional<std::string> with = findCompare(argc, argv)) {
    return runCompare(*with, argc, argv);
  }
  Options options;
  absl::Status status = parseOptions(argc, argv, options);
  if (status.ok()) {
    status = run(options);
  }
  return status.ok() ? 0 : fail(std::string(status.message()));
}

} // namespace lpu
