//===- Program.cpp - Running an entry on the host -------------------------===//

#include "lpu/Host/Host.h"
#include "Constants.h"
#include "Engine.h"
#include "Partition.h"
#include "absl/strings/str_cat.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Verifier.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>
#include <cstring>

using namespace mlir;

namespace lpu::host {

/// Memory that is used again, by size.
class Pool {
public:
  std::vector<uint8_t> take(size_t size) {
    std::vector<std::vector<uint8_t>> &known = free[size];
    if (known.empty()) {
      return std::vector<uint8_t>(size);
    }
    std::vector<uint8_t> memory = std::move(known.back());
    known.pop_back();
    return memory;
  }
  void give(std::vector<uint8_t> memory) {
    if (!memory.empty()) {
      free[memory.size()].push_back(std::move(memory));
    }
  }

private:
  llvm::DenseMap<size_t, std::vector<std::vector<uint8_t>>> free;
};

struct Program::Implementation {
  /// A copy of the entry, and which operation of the original each one is.
  OwningOpRef<ModuleOp> module;
  func::FuncOp entry;
  llvm::DenseMap<Operation *, Operation *> originals;

  std::vector<Port> inputs, outputs;
  Partition plan;
  std::unique_ptr<Engine> engine;
  std::vector<KernelFunction> kernels;
  std::unique_ptr<mlir::onnx::WeightFiles> files;
  std::vector<Constant> constants; ///< a buffer each
  std::vector<unsigned> lastCall;  ///< that reads a buffer; results: no call
  std::vector<Call> calls;         ///< of a run: those of constants are done
  Pool pool;

  void copyEntry(func::FuncOp original);
  void readPorts();
  LogicalResult compile();
  LogicalResult makeConstants();
  void findLastCalls();
  absl::Status check(const std::vector<NpyArray> &arrays) const;
  absl::Status observe(const Call &call, ArrayRef<const uint8_t *> memory,
                       Observations &observations) const;
  absl::StatusOr<std::vector<NpyArray>> run(std::vector<NpyArray> arrays,
                                            Observations *observations);
  absl::Status invoke(const Call &call, ArrayRef<const uint8_t *> memory, uint8_t *result) const;
  absl::Status convert(const Call &call, const uint8_t *source, uint8_t *result) const;
};

void Program::Implementation::copyEntry(func::FuncOp original) {
  auto parent = original->getParentOfType<ModuleOp>();
  module = ModuleOp::create(original.getLoc());
  if (parent) {
    (*module)->setAttrs(parent->getAttrDictionary());
  }
  OpBuilder builder = OpBuilder::atBlockEnd(module->getBody());
  entry = cast<func::FuncOp>(builder.clone(*original));
  SmallVector<Operation *> from, to;
  original.walk<WalkOrder::PreOrder>([&](Operation *op) { from.push_back(op); });
  entry.walk<WalkOrder::PreOrder>([&](Operation *op) { to.push_back(op); });
  for (auto [op, copy] : llvm::zip(from, to)) {
    originals[copy] = op;
  }
}

void Program::Implementation::readPorts() {
  StringRef key = mlir::lpu::LPUDialect::kNameAttr;
  auto nameOf = [](StringAttr name, StringRef otherwise, unsigned index) {
    return name ? name.str() : (otherwise + Twine(index)).str();
  };
  for (auto [i, type] : llvm::enumerate(entry.getArgumentTypes())) {
    inputs.push_back({nameOf(entry.getArgAttrOfType<StringAttr>(unsigned(i), key), "input", i),
                      cast<RankedTensorType>(type)});
  }
  for (auto [i, type] : llvm::enumerate(entry.getResultTypes())) {
    outputs.push_back(
        {nameOf(entry.getResultAttrOfType<StringAttr>(unsigned(i), key), "output", i),
         cast<RankedTensorType>(type)});
  }
}

absl::Status Program::Implementation::invoke(const Call &call, ArrayRef<const uint8_t *> memory,
                                             uint8_t *result) const {
  if (call.kernel < 0) {
    return convert(call, memory[call.inputs.front()], result);
  }
  SmallVector<const void *> pointers;
  for (unsigned input : call.inputs) {
    pointers.push_back(memory[input]);
  }
  pointers.push_back(result);
  SmallVector<void *> arguments;
  for (const void *&pointer : pointers) {
    arguments.push_back(&pointer);
  }
  kernels[size_t(call.kernel)](arguments.data());
  return absl::OkStatus();
}

/// Elements in the type of lpu.narrow or lpu.widen; an error names input, output or operation.
absl::Status Program::Implementation::convert(const Call &call, const uint8_t *source,
                                              uint8_t *result) const {
  Conversion conversion = *getConversion(call.op);
  const Buffer &from = plan.buffers[call.inputs.front()];
  absl::Status status = convertElements(conversion.from, source, conversion.to, result,
                                        size_t(from.type.getNumElements()));
  if (status.ok()) {
    return status;
  }
  std::string text;
  llvm::raw_string_ostream out(text);
  auto output = llvm::find(plan.results, call.result);
  if (from.input >= 0) {
    out << "input '" << inputs[size_t(from.input)].name << "'";
  } else if (output != plan.results.end()) {
    out << "output '" << outputs[size_t(output - plan.results.begin())].name << "'";
  } else {
    out << call.op->getLoc() << " (" << call.op->getName() << ")";
  }
  return absl::OutOfRangeError(absl::StrCat(text, ": ", status.message()));
}

LogicalResult Program::Implementation::compile() {
  if (!entry.getBody().hasOneBlock()) {
    return entry.emitError("does not run on the host: expected one block");
  }
  entry.getContext()
      ->loadDialect<bufferization::BufferizationDialect, LLVM::LLVMDialect, memref::MemRefDialect>();
  OwningOpRef<ModuleOp> code = ModuleOp::create(entry.getLoc());
  FailureOr<Partition> parts = partition(entry, *code);
  if (failed(parts)) {
    return failure();
  }
  plan = std::move(*parts);
  readPorts();
  FailureOr<std::unique_ptr<Engine>> compiled = Engine::compile(*code);
  if (failed(compiled)) {
    return failure();
  }
  engine = std::move(*compiled);
  for (unsigned kernel = 0; kernel < plan.numKernels; ++kernel) {
    FailureOr<KernelFunction> function = engine->lookup(getKernelName(kernel), entry.getLoc());
    if (failed(function)) {
      return failure();
    }
    kernels.push_back(*function);
  }
  if (failed(makeConstants())) {
    return failure();
  }
  findLastCalls();
  return success();
}

/// Reads what is constant, and computes once what only depends on it.
LogicalResult Program::Implementation::makeConstants() {
  files = std::make_unique<mlir::onnx::WeightFiles>(*module);
  constants.resize(plan.buffers.size());
  std::vector<const uint8_t *> memory(plan.buffers.size());
  for (auto [index, buffer] : llvm::enumerate(plan.buffers)) {
    if (!buffer.constant) {
      continue;
    }
    FailureOr<Constant> constant = getConstant(buffer.constant, *files);
    if (failed(constant)) {
      return failure();
    }
    constants[index] = std::move(*constant);
    memory[index] = constants[index].data;
  }
  for (const Call &call : plan.calls) {
    const Buffer &result = plan.buffers[call.result];
    if (!result.computedConstant) {
      calls.push_back(call);
      continue;
    }
    std::vector<uint8_t> &bytes = constants[call.result].owned;
    bytes.resize(*getBytes(result.type));
    if (call.tied >= 0) {
      std::memcpy(bytes.data(), memory[size_t(call.tied)], bytes.size());
    }
    if (absl::Status status = invoke(call, memory, bytes.data()); !status.ok()) {
      return call.op->emitError(std::string(status.message()));
    }
    memory[call.result] = constants[call.result].data = bytes.data();
  }
  return success();
}

void Program::Implementation::findLastCalls() {
  lastCall.assign(plan.buffers.size(), 0);
  for (auto [index, call] : llvm::enumerate(calls)) {
    for (unsigned input : call.inputs) {
      lastCall[input] = unsigned(index);
    }
    if (call.tied >= 0) {
      lastCall[size_t(call.tied)] = unsigned(index);
    }
    lastCall[call.result] = unsigned(index);
  }
  for (unsigned result : plan.results) {
    lastCall[result] = unsigned(calls.size());
  }
}

absl::Status Program::Implementation::check(const std::vector<NpyArray> &arrays) const {
  if (arrays.size() != inputs.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("expected ", inputs.size(), " inputs, got ", arrays.size()));
  }
  for (auto [port, array] : llvm::zip(inputs, arrays)) {
    std::string descr = getDescr(port.type.getElementType());
    ArrayRef<int64_t> shape = port.type.getShape();
    if (array.descr != descr || ArrayRef(array.shape) != shape ||
        array.bytes.size() != *getBytes(port.type)) {
      std::string text;
      llvm::raw_string_ostream(text) << "input '" << port.name << "': expected '" << descr
                                     << "' of " << port.type << ", got '" << array.descr << "'";
      for (int64_t d : array.shape) {
        absl::StrAppend(&text, " ", d);
      }
      return absl::InvalidArgumentError(text);
    }
  }
  return absl::OkStatus();
}

/// Of elements with less than a byte, the low bits are what counts.
static void clearUnusedBits(RankedTensorType type, std::vector<uint8_t> &bytes) {
  unsigned bits = type.getElementTypeBitWidth();
  for (size_t k = 0; bits < 8 && k < bytes.size(); ++k) {
    bytes[k] = bits == 1 ? bytes[k] != 0 : bytes[k] & ((1u << bits) - 1);
  }
}

/// Whether calibration wants the range of what `op` reads.
static bool isObserved(Operation *op) {
  return isa<linalg::MatmulOp, mlir::lpu::RmsNormOp, mlir::lpu::LayerNormOp,
             mlir::lpu::AttentionOp, mlir::lpu::CacheUpdateOp>(op);
}

/// Merges the largest |x| of each column of `values` into `largest`; integers order as the
/// magnitudes do, and NaN comes last.
static void observeColumns(const float *values, size_t count, MutableArrayRef<float> largest) {
  for (size_t i = 0; i < count; i += largest.size()) {
    for (size_t c = 0; c < largest.size(); ++c) {
      uint32_t magnitude, known;
      std::memcpy(&magnitude, values + i + c, sizeof magnitude);
      std::memcpy(&known, &largest[c], sizeof known);
      magnitude = std::max(known, magnitude & 0x7fffffffu);
      std::memcpy(&largest[c], &magnitude, sizeof magnitude);
    }
  }
}

// Of a cache the rows count, column by column; of others whole operands.
absl::Status Program::Implementation::observe(const Call &call, ArrayRef<const uint8_t *> memory,
                                              Observations &observations) const {
  constexpr size_t kRows = 1;
  bool isCache = isa<mlir::lpu::CacheUpdateOp>(call.op);
  std::vector<float> &largest = observations[originals.lookup(call.op)];
  if (!isCache) {
    largest.resize(call.operands.size(), 0);
  }
  for (auto [index, operand] : llvm::enumerate(call.operands)) {
    if (operand < 0 || (isCache && index != kRows) ||
        !plan.buffers[size_t(operand)].type.getElementType().isF32() ||
        constants[size_t(operand)].data) {
      continue;
    }
    RankedTensorType type = plan.buffers[size_t(operand)].type;
    const auto *values = reinterpret_cast<const float *>(memory[size_t(operand)]);
    largest.resize(isCache ? size_t(type.getShape().back()) : largest.size(), 0);
    MutableArrayRef<float> mine(largest);
    mine = isCache ? mine : mine.slice(index, 1);
    observeColumns(values, size_t(type.getNumElements()), mine);
    if (!llvm::all_of(mine, [](float x) { return std::isfinite(x); })) {
      std::string text;
      llvm::raw_string_ostream(text)
          << call.op->getLoc() << " (" << call.op->getName() << "): operand " << index
          << " is not finite";
      return absl::OutOfRangeError(text);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<NpyArray>>
Program::Implementation::run(std::vector<NpyArray> arrays, Observations *observations) {
  if (absl::Status status = check(arrays); !status.ok()) {
    return status;
  }
  std::vector<std::vector<uint8_t>> owned(plan.buffers.size());
  std::vector<const uint8_t *> memory(plan.buffers.size());
  for (auto [index, buffer] : llvm::enumerate(plan.buffers)) {
    if (buffer.input >= 0) {
      owned[index] = std::move(arrays[size_t(buffer.input)].bytes);
      clearUnusedBits(buffer.type, owned[index]);
      memory[index] = owned[index].data();
    } else {
      memory[index] = constants[index].data;
    }
  }
  auto release = [&](unsigned buffer) {
    if (plan.buffers[buffer].input < 0) {
      pool.give(std::move(owned[buffer]));
    }
    owned[buffer] = {};
  };
  for (auto [index, call] : llvm::enumerate(calls)) {
    if (observations && isObserved(call.op)) {
      if (absl::Status status = observe(call, memory, *observations); !status.ok()) {
        return status;
      }
    }
    auto ends = [&](unsigned buffer) { return lastCall[buffer] == index; };
    std::vector<uint8_t> &result = owned[call.result];
    size_t size = *getBytes(plan.buffers[call.result].type);
    size_t tied = size_t(call.tied);
    if (call.tied >= 0 && ends(unsigned(tied)) && !owned[tied].empty()) {
      result = std::move(owned[tied]);
      owned[tied].clear();
    } else {
      result = pool.take(size);
      if (call.tied >= 0) {
        std::memcpy(result.data(), memory[tied], size);
      }
    }
    if (absl::Status status = invoke(call, memory, result.data()); !status.ok()) {
      return status;
    }
    memory[call.result] = result.data();
    for (unsigned input : call.inputs) {
      if (ends(input) && input != call.result) {
        release(input);
      }
    }
    if (ends(call.result)) {
      release(call.result);
    }
  }
  std::vector<NpyArray> results;
  llvm::DenseMap<unsigned, size_t> moved;
  for (auto [port, buffer] : llvm::zip(outputs, plan.results)) {
    NpyArray array{getDescr(port.type.getElementType()),
                   {port.type.getShape().begin(), port.type.getShape().end()},
                   {}};
    auto [known, isNew] = moved.try_emplace(buffer, results.size());
    if (!isNew) {
      array.bytes = results[known->second].bytes;
    } else if (!owned[buffer].empty()) {
      array.bytes = std::move(owned[buffer]);
    } else {
      array.bytes.assign(memory[buffer], memory[buffer] + *getBytes(port.type));
    }
    results.push_back(std::move(array));
  }
  return results;
}

Program::Program() : implementation(std::make_unique<Implementation>()) {}
Program::~Program() = default;

FailureOr<std::unique_ptr<Program>> Program::compile(func::FuncOp entry) {
  std::unique_ptr<Program> program(new Program);
  program->implementation->copyEntry(entry);
  if (failed(program->implementation->compile())) {
    return failure();
  }
  return program;
}

const std::vector<Port> &Program::inputs() const { return implementation->inputs; }
const std::vector<Port> &Program::outputs() const { return implementation->outputs; }
size_t Program::numKernels() const { return implementation->kernels.size(); }
size_t Program::numCalls() const { return implementation->calls.size(); }

absl::StatusOr<std::vector<NpyArray>> Program::run(std::vector<NpyArray> inputs,
                                                   Observations *observations) {
  return implementation->run(std::move(inputs), observations);
}

} // namespace lpu::host
