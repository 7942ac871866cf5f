//===- Native.cpp - Programs and the executor for Python ------------------===//
//
// The module lpu._native; lpu.runtime gives it its Python face.
//
//===----------------------------------------------------------------------===//

#include "lpu/Binary/Assembly.h"
#include "lpu/Executor/Executor.h"
#include "lpu/Verifier/Verifier.h"
#include <algorithm>
#include <cctype>
#include <mutex>
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <stdexcept>

namespace nb = nanobind;
using namespace nb::literals;
using namespace lpu;

namespace {

struct HazardError : std::runtime_error {
  using runtime_error::runtime_error;
};
struct VerificationError : std::runtime_error {
  using runtime_error::runtime_error;
};

/// What a failed status becomes, hazards apart.
[[noreturn]] void raise(const absl::Status &status) {
  std::string message(status.message());
  switch (status.code()) {
  case absl::StatusCode::kNotFound:
  case absl::StatusCode::kInvalidArgument:
  case absl::StatusCode::kOutOfRange:
  case absl::StatusCode::kDataLoss:
  case absl::StatusCode::kUnimplemented:
    throw nb::value_error(message.c_str());
  default:
    throw std::runtime_error(message);
  }
}

/// A tensor or an integer input of an entry, as the host sees it.
struct TensorInfo {
  std::string name;
  std::string type;  ///< of elements, "bf16"
  std::string dtype; ///< NumPy's type string, of what it lacks that of the raw bits
  std::vector<int64_t> shape;
  std::optional<int64_t> min, max; ///< of integer inputs with bounds
};

template <typename Info> TensorInfo getInfo(const Info &info) {
  return {info.name(), std::string(elementTypeName(info.type())),
          std::string(numpyTypeString(info.type())), {info.shape().begin(), info.shape().end()}, {}, {}};
}

std::vector<TensorInfo> getInfos(const auto &bindings) {
  std::vector<TensorInfo> infos;
  for (const auto &binding : bindings) {
    infos.push_back(getInfo(binding));
  }
  return infos;
}

std::vector<TensorInfo> getIntegerInfos(const Entry &entry) {
  std::vector<TensorInfo> infos;
  for (const IntegerInput &input : entry.integer_inputs()) {
    TensorInfo &info = infos.emplace_back(getInfo(input));
    if (input.bounded()) {
      info.min = input.min();
      info.max = input.max();
    }
  }
  return infos;
}

HostTensor toHost(const std::string &name, nb::handle array) {
  std::string type = nb::cast<std::string>(array.attr("dtype").attr("str"));
  std::optional<ElementType> element = parseNumpyType(type);
  if (!element) {
    throw nb::value_error(("input '" + name + "': no input has elements of type " +
                           type).c_str());
  }
  HostTensor tensor{*element, nb::cast<std::vector<int64_t>>(array.attr("shape")), {}};
  Py_buffer view;
  if (PyObject_GetBuffer(array.ptr(), &view, PyBUF_C_CONTIGUOUS) != 0) {
    throw nb::python_error();
  }
  const auto *bytes = static_cast<const uint8_t *>(view.buf);
  tensor.bytes.assign(bytes, bytes + view.len);
  PyBuffer_Release(&view);
  return tensor;
}

nb::dlpack::dtype getArrayType(ElementType type) {
  bool isUnsigned = type == U8 || type == U16 || type == U32 || type == U64;
  auto code = isFloatType(type) ? nb::dlpack::dtype_code::Float
              : isUnsigned      ? nb::dlpack::dtype_code::UInt
              : type == BOOL    ? nb::dlpack::dtype_code::Bool
                                : nb::dlpack::dtype_code::Int;
  return {uint8_t(code), uint8_t(elementBytes(type) * 8), 1};
}

nb::object toArray(HostTensor tensor) {
  auto *owned = new HostTensor(std::move(tensor));
  nb::capsule owner(owned, [](void *p) noexcept { delete static_cast<HostTensor *>(p); });
  std::vector<size_t> shape(owned->shape.begin(), owned->shape.end());
  return nb::ndarray<nb::numpy>(owned->bytes.data(), shape.size(), shape.data(), owner,
                                nullptr, getArrayType(hostType(owned->type)))
      .cast();
}

/// What one run did, for Python.
struct Statistics {
  RunStatistics run;
  std::map<std::string, uint64_t> saturations;
  double weightsUtilization = 0;
};

/// One chip; runs follow one another, from whatever threads they come.
class Session {
public:
  explicit Session(std::shared_ptr<Program> program) {
    nb::gil_scoped_release release;
    absl::StatusOr<Executor> created = Executor::create(std::move(program));
    if (!created.ok()) {
      nb::gil_scoped_acquire acquire;
      raise(created.status());
    }
    executor = std::make_unique<Executor>(std::move(*created));
  }

  nb::tuple run(const std::string &entry, const nb::dict &arrays) {
    HostTensors inputs;
    for (auto [key, array] : arrays) {
      std::string name = nb::cast<std::string>(key);
      inputs[name] = toHost(name, array);
    }
    absl::StatusOr<RunResult> result = runWithoutLock(entry, inputs);
    if (!result.ok()) {
      if (result.status().code() == absl::StatusCode::kFailedPrecondition) {
        throw HazardError(std::string(result.status().message()));
      }
      raise(result.status());
    }
    nb::dict outputs;
    for (auto &[name, tensor] : result->outputs) {
      outputs[nb::str(name.c_str(), name.size())] = toArray(std::move(tensor));
    }
    Statistics statistics{std::move(result->statistics), {}, 0};
    statistics.saturations = {result->saturations.begin(), result->saturations.end()};
    statistics.weightsUtilization = statistics.run.utilization(
        executor->program().target, UnitKind::MxmWeights);
    return nb::make_tuple(outputs, std::move(statistics));
  }

  void reset() {
    nb::gil_scoped_release release;
    std::lock_guard guard(mutex);
    executor->resetState();
  }

private:
  absl::StatusOr<RunResult> runWithoutLock(const std::string &entry,
                                           const HostTensors &inputs) {
    nb::gil_scoped_release release;
    std::lock_guard guard(mutex);
    return executor->run(entry, inputs);
  }

  std::unique_ptr<Executor> executor;
  std::mutex mutex;
};

std::shared_ptr<Program> load(const std::string &path) {
  absl::StatusOr<Program> program = [&] {
    nb::gil_scoped_release release;
    return loadProgram(path);
  }();
  if (!program.ok()) {
    raise(program.status());
  }
  return std::make_shared<Program>(std::move(*program));
}

void verify(const Program &program) {
  absl::Status status = [&] {
    nb::gil_scoped_release release;
    return verifyProgram(program);
  }();
  if (!status.ok()) {
    throw VerificationError(std::string(status.message()));
  }
}

/// Bytes of SRAM by kind of region, of what all entries share.
std::map<std::string, uint64_t> getMemory(const Program &program) {
  std::map<std::string, uint64_t> bytes;
  auto add = [&](const ImageRegion &region) {
    std::string kind = RegionKind_Name(region.kind());
    std::transform(kind.begin(), kind.end(), kind.begin(), ::tolower);
    bytes[kind] += uint64_t(region.words().count()) * program.target.lanes();
  };
  for (const ImageBytes &image : program.image) {
    add(image.region);
  }
  return bytes;
}

/// Instructions by mnemonic, those of the VXM by operation ("alu add").
std::map<std::string, uint64_t> countInstructions(const EntryProgram &entry) {
  std::map<std::pair<Opcode, int64_t>, uint64_t> counts;
  const int op = lookupInstruction(Opcode::Alu)->fieldIndex("op");
  for (const QueueStream &queue : entry.queues) {
    for (const TimedInstruction &timed : queue.instructions) {
      const Instruction &instruction = timed.instruction;
      bool isAlu = instruction.opcode == Opcode::Alu;
      ++counts[{instruction.opcode, isAlu ? instruction.fields[op] : 0}];
    }
  }
  std::map<std::string, uint64_t> named;
  for (const auto &[key, count] : counts) {
    std::string name(lookupInstruction(key.first)->mnemonic);
    if (key.first == Opcode::Alu) {
      name += " " + std::string(getEnumName(FieldKind::AluOp, key.second));
    }
    named[name] = count;
  }
  return named;
}

} // namespace

NB_MODULE(_native, m) {
  m.doc() = "Programs and the reference executor; use it through lpu.";
  nb::exception<HazardError>(m, "HazardError", PyExc_RuntimeError);
  nb::exception<VerificationError>(m, "VerificationError", PyExc_RuntimeError);

  nb::class_<TensorInfo>(m, "TensorInfo")
      .def_ro("name", &TensorInfo::name)
      .def_ro("type", &TensorInfo::type)
      .def_ro("dtype", &TensorInfo::dtype)
      .def_ro("shape", &TensorInfo::shape)
      .def_ro("min", &TensorInfo::min)
      .def_ro("max", &TensorInfo::max);

  nb::class_<EntryProgram>(m, "Entry")
      .def_prop_ro("name", [](const EntryProgram &e) { return e.header.name(); })
      .def_prop_ro("inputs", [](const EntryProgram &e) { return getInfos(e.header.inputs()); })
      .def_prop_ro("outputs", [](const EntryProgram &e) { return getInfos(e.header.outputs()); })
      .def_prop_ro("integer_inputs",
                   [](const EntryProgram &e) { return getIntegerInfos(e.header); })
      .def_prop_ro("cycles", [](const EntryProgram &e) { return e.header.cycles(); })
      .def_prop_ro("lower_bound", [](const EntryProgram &e) { return e.header.lower_bound(); })
      .def_prop_ro("instructions", [](const EntryProgram &e) {
        size_t count = 0;
        for (const QueueStream &queue : e.queues) {
          count += queue.instructions.size();
        }
        return count;
      })
      .def("count_instructions", &countInstructions);

  nb::class_<Program>(m, "Program")
      .def_prop_ro("target", [](const Program &p) { return std::string(p.target.name()); })
      .def_prop_ro("clock_hz", [](const Program &p) { return p.target.description().clock_hz(); })
      .def_prop_ro("sram_bytes", [](const Program &p) { return p.target.sramBytes(); })
      .def_prop_ro("memory", &getMemory)
      .def_prop_ro("producer", [](const Program &p) { return p.producer; })
      .def_prop_ro(
          "entries",
          [](const Program &p) {
            std::vector<const EntryProgram *> entries;
            for (const EntryProgram &entry : p.entries) {
              entries.push_back(&entry);
            }
            return entries;
          },
          nb::rv_policy::reference_internal);

  nb::class_<Statistics>(m, "Statistics")
      .def_prop_ro("cycles", [](const Statistics &s) { return s.run.cycles; })
      .def_prop_ro("instructions", [](const Statistics &s) { return s.run.instructions; })
      .def_prop_ro("issues", [](const Statistics &s) { return s.run.issues; })
      .def_prop_ro("issues_by_mnemonic", [](const Statistics &s) { return s.run.issuesByMnemonic; })
      .def_prop_ro("words_read", [](const Statistics &s) { return s.run.wordsRead; })
      .def_prop_ro("words_written", [](const Statistics &s) { return s.run.wordsWritten; })
      .def_prop_ro("weight_rows", [](const Statistics &s) { return s.run.weightRows; })
      .def_prop_ro("multiply_accumulates",
                   [](const Statistics &s) { return s.run.multiplyAccumulates; })
      .def_prop_ro("stream_drives", [](const Statistics &s) { return s.run.streamDrives; })
      .def_ro("weights_utilization", &Statistics::weightsUtilization)
      .def_ro("saturations", &Statistics::saturations);

  nb::class_<Session>(m, "Session")
      .def(nb::init<std::shared_ptr<Program>>())
      .def("run", &Session::run, "entry"_a, "arrays"_a)
      .def("reset", &Session::reset);

  m.def("load", &load, "path"_a);
  m.def("verify", &verify, "program"_a);
}
