//===- Partition.cpp - An entry as calls of kernels -----------------------===//
//
// A kernel is one operation with the cheap ones it reads: fills, scalars,
// dequantisation. A model repeats few forms of them, so what is compiled does
// not grow with its layers.
//
//===----------------------------------------------------------------------===//

#include "Partition.h"
#include "Constants.h"
#include "LPU/IR/LPUTensorOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;

namespace lpu::host {

std::string getKernelName(unsigned kernel) { return "kernel" + std::to_string(kernel); }

namespace {

/// Integers are transposed instead of the reals they stand for.
void transposeIntegers(func::FuncOp entry) {
  SmallVector<linalg::TransposeOp> transposes(entry.getOps<linalg::TransposeOp>());
  for (linalg::TransposeOp op : transposes) {
    auto reals = op.getInput().getDefiningOp<mlir::lpu::DequantizeOp>();
    if (!reals || reals.getBlockSize()) {
      continue;
    }
    ImplicitLocOpBuilder b(op.getLoc(), op);
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    Type element = getElementTypeOrSelf(reals.getSource().getType());
    Value init = tensor::EmptyOp::create(b, type.getShape(), element);
    ArrayRef<int64_t> permutation = op.getPermutation();
    Value integers =
        linalg::TransposeOp::create(b, reals.getSource(), init, permutation)->getResult(0);
    IntegerAttr axis;
    if (reals.getAxis()) {
      axis = b.getI64IntegerAttr(llvm::find(permutation, int64_t(*reals.getAxis())) -
                                 permutation.begin());
    }
    auto result = mlir::lpu::DequantizeOp::create(b, type, integers, reals.getScale(),
                                                  reals.getZeroPoint(), axis, IntegerAttr(),
                                                  reals.getIsUnsignedAttr());
    op->getResult(0).replaceAllUsesWith(result.getResult());
    op.erase();
  }
}

/// Whether a kernel that reads the result computes it anew.
bool isInlined(Operation *op) {
  if (isa<tensor::EmptyOp, linalg::FillOp, mlir::lpu::DequantizeOp>(op)) {
    return true;
  }
  auto constant = dyn_cast<arith::ConstantOp>(op);
  return constant && !isa<ShapedType>(constant.getType());
}

bool isReshape(Operation *op) {
  return isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op);
}

class Partitioner {
public:
  Partitioner(func::FuncOp entry, ModuleOp kernels) : entry(entry), kernels(kernels) {}

  LogicalResult run() {
    for (BlockArgument argument : entry.getArguments()) {
      auto type = dyn_cast<RankedTensorType>(argument.getType());
      if (!type || !getBytes(type)) {
        return entry.emitError("input ")
               << argument.getArgNumber() << ": expected a static shape and elements that are "
               << "numbers, got " << argument.getType();
      }
      Buffer buffer{type};
      buffer.input = int(argument.getArgNumber());
      add(argument, buffer);
    }
    for (Operation &op : entry.getBody().front()) {
      if (auto ret = dyn_cast<func::ReturnOp>(op)) {
        for (Value value : ret.getOperands()) {
          FailureOr<unsigned> buffer = getBuffer(value);
          if (failed(buffer)) {
            return failure();
          }
          result.results.push_back(*buffer);
        }
      } else if (!isInlined(&op) && !isReshape(&op) && !isConstant(&op) && failed(call(&op))) {
        return failure();
      }
    }
    result.numKernels = unsigned(forms.size());
    return success();
  }

  Partition result;

private:
  static bool isConstant(Operation *op) { return isa<mlir::lpu::WeightOp, arith::ConstantOp>(op); }

  unsigned add(Value value, const Buffer &buffer) {
    auto index = unsigned(result.buffers.size());
    result.buffers.push_back(buffer);
    buffers[value] = index;
    return index;
  }

  /// The buffer of a value; what was to be inlined gets a call of its own.
  FailureOr<unsigned> getBuffer(Value value) {
    if (auto found = buffers.find(value); found != buffers.end()) {
      return found->second;
    }
    Operation *op = value.getDefiningOp();
    if (op && isReshape(op)) {
      FailureOr<unsigned> source = getBuffer(op->getOperand(0));
      if (succeeded(source)) {
        buffers[value] = *source;
      }
      return source;
    }
    if (op && isConstant(op) && isa<RankedTensorType>(value.getType())) {
      Buffer buffer{cast<RankedTensorType>(value.getType())};
      buffer.constant = op;
      return add(value, buffer);
    }
    if (!op || failed(call(op))) {
      return failure();
    }
    return buffers.lookup(value);
  }

  /// Operations of the kernel of `op`, in order, and the values it reads.
  void collect(Operation *op, SetVector<Operation *> &body, SetVector<Value> &reads) {
    SetVector<Value> values(op->operand_begin(), op->operand_end());
    getUsedValuesDefinedAbove(op->getRegions(), values);
    for (Value value : values) {
      Operation *producer = value.getDefiningOp();
      if (producer && isInlined(producer)) {
        collect(producer, body, reads);
      } else {
        reads.insert(value);
      }
    }
    body.insert(op);
  }

  LogicalResult call(Operation *op) {
    if (op->getNumResults() != 1 || !isa<RankedTensorType>(op->getResult(0).getType()) ||
        !getBytes(cast<RankedTensorType>(op->getResult(0).getType()))) {
      return op->emitOpError("does not run on the host: expected one tensor of static shape");
    }
    SetVector<Operation *> body;
    SetVector<Value> reads;
    collect(op, body, reads);
    Call call{};
    call.op = op;
    Value cache;
    if (auto update = dyn_cast<mlir::lpu::CacheUpdateOp>(op)) {
      Operation *producer = update.getCache().getDefiningOp();
      cache = producer && isInlined(producer) ? Value() : update.getCache();
    }
    bool constant = true;
    SmallVector<Value> inputs;
    for (Value value : reads) {
      if (!isa<RankedTensorType>(value.getType())) {
        return op->emitOpError("does not run on the host: it reads a ") << value.getType();
      }
      FailureOr<unsigned> buffer = getBuffer(value);
      if (failed(buffer)) {
        return failure();
      }
      const Buffer &source = result.buffers[*buffer];
      constant &= source.constant != nullptr || source.computedConstant;
      if (value == cache) {
        call.tied = int(*buffer);
      } else {
        inputs.push_back(value);
        call.inputs.push_back(*buffer);
      }
    }
    for (Value operand : op->getOperands()) {
      auto found = buffers.find(operand);
      call.operands.push_back(found == buffers.end() ? -1 : int(found->second));
    }
    call.kernel = getConversion(op) ? -1 : int(getKernel(op, body.getArrayRef(), inputs, cache));
    Buffer buffer{cast<RankedTensorType>(op->getResult(0).getType())};
    buffer.computedConstant = constant;
    call.result = add(op->getResult(0), buffer);
    result.calls.push_back(std::move(call));
    return success();
  }

  static MemRefType memoryOf(Value value) {
    auto type = cast<RankedTensorType>(value.getType());
    return MemRefType::get(type.getShape(), type.getElementType());
  }

  /// The kernel of this form: memory of the inputs, then of the result, which
  /// holds `cache` before where there is one.
  unsigned getKernel(Operation *op, ArrayRef<Operation *> body, ArrayRef<Value> inputs,
                     Value cache) {
    SmallVector<Type> types;
    for (Value input : inputs) {
      types.push_back(memoryOf(input));
    }
    types.push_back(memoryOf(op->getResult(0)));
    Location location = UnknownLoc::get(entry.getContext());
    OpBuilder module = OpBuilder::atBlockEnd(kernels.getBody());
    auto function = func::FuncOp::create(module, location, "kernel",
                                         module.getFunctionType(types, {}));
    Block *block = function.addEntryBlock();
    ImplicitLocOpBuilder b(location, OpBuilder::atBlockEnd(block));
    IRMapping mapping;
    auto toTensor = [&](Value value, Value memory, bool writable) {
      mapping.map(value, bufferization::ToTensorOp::create(b, value.getType(), memory,
                                                           /*restrict=*/true, writable)
                             .getResult());
    };
    for (auto [index, input] : llvm::enumerate(inputs)) {
      toTensor(input, block->getArgument(unsigned(index)), false);
    }
    Value destination = block->getArguments().back();
    if (cache) {
      toTensor(cache, destination, true);
    }
    for (Operation *part : body) {
      Operation *copy = b.clone(*part, mapping);
      copy->setDiscardableAttrs(DictionaryAttr::get(entry.getContext()));
      copy->walk([&](Operation *inner) { inner->setLoc(location); });
    }
    auto store = bufferization::MaterializeInDestinationOp::create(
        b, TypeRange(), mapping.lookup(op->getResult(0)), destination);
    store.setRestrict(!cache);
    store.setWritable(true);
    func::ReturnOp::create(b);
    for (unsigned i = 0; i < types.size(); ++i) {
      function.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(), b.getUnitAttr());
    }
    std::string form;
    llvm::raw_string_ostream(form) << function;
    auto [known, isNew] = forms.try_emplace(form, unsigned(forms.size()));
    if (isNew) {
      function.setName(getKernelName(known->second));
    } else {
      function.erase();
    }
    return known->second;
  }

  func::FuncOp entry;
  ModuleOp kernels;
  llvm::DenseMap<Value, unsigned> buffers;
  llvm::StringMap<unsigned> forms;
};

} // namespace

FailureOr<Partition> partition(func::FuncOp entry, ModuleOp kernels) {
  transposeIntegers(entry);
  Partitioner partitioner(entry, kernels);
  if (failed(partitioner.run())) {
    return failure();
  }
  return std::move(partitioner.result);
}

} // namespace lpu::host
