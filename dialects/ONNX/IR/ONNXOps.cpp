#include "ONNX/IR/ONNXDialect.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringRef.h"

using namespace mlir;
using namespace mlir::onnx;

static ParseResult parseVersion(OpAsmParser &parser, IntegerAttr &version) {
  int64_t value;
  if (parser.parseInteger(value)) {
    return failure();
  }
  version = parser.getBuilder().getI64IntegerAttr(value);
  return success();
}

static void printVersion(OpAsmPrinter &printer, Operation *,
                         IntegerAttr version) {
  printer << version.getInt();
}

#define GET_OP_CLASSES
#include "ONNX/IR/ONNXOps.cpp.inc"

bool NodeOp::hasInput(unsigned index) {
  return index < getInputs().size() &&
         !isa<NoneType>(getInputs()[index].getType());
}

bool NodeOp::hasOutput(unsigned index) {
  return index < getNumResults() && !isa<NoneType>(getResult(index).getType());
}

StringRef NodeOp::getNodeName() {
  if (auto name = dyn_cast<NameLoc>(getLoc())) {
    return name.getName().getValue();
  }
  for (Attribute output : getOutputs()) {
    if (StringRef name = cast<StringAttr>(output).getValue(); !name.empty()) {
      return name;
    }
  }
  return getOpType();
}

static bool isTensorAttr(Attribute attr) {
  return isa<ElementsAttr, WeightRefAttr>(attr);
}

static bool isListOfOneKind(ArrayAttr list) {
  auto all = [&](auto predicate) { return llvm::all_of(list, predicate); };
  return all([](Attribute a) { return isa<StringAttr>(a); }) ||
         all(isTensorAttr) ||
         all([](Attribute a) { return isa<SparseTensorAttr>(a); }) ||
         all([](Attribute a) { return isa<TypeAttr>(a); });
}

/// (C3): whether `attr` has one of the kinds that an ONNX attribute may have.
static bool isNodeAttr(Attribute attr) {
  if (auto number = dyn_cast<FloatAttr>(attr)) {
    return number.getType().isF32();
  }
  if (auto number = dyn_cast<IntegerAttr>(attr)) {
    return number.getType().isSignlessInteger(64);
  }
  if (auto list = dyn_cast<ArrayAttr>(attr)) {
    return isListOfOneKind(list);
  }
  return isTensorAttr(attr) ||
         isa<StringAttr, DenseF32ArrayAttr, DenseI64ArrayAttr, SparseTensorAttr,
             TypeAttr, GraphRefAttr, GraphRefsAttr>(attr);
}

static LogicalResult verifyOutputs(NodeOp op) {
  if (op.getOutputs().size() != op.getNumResults()) {
    return op.emitOpError()
           << "expected a name for each of " << op.getNumResults()
           << " results, got " << op.getOutputs().size();
  }
  for (auto [index, name] : llvm::enumerate(op.getOutputs())) {
    bool absent = cast<StringAttr>(name).getValue().empty();
    if (absent != isa<NoneType>(op.getResult(index).getType())) {
      return op.emitOpError()
             << "expected result " << index << ", named " << name << ", to be "
             << (absent ? "none" : "a value") << ", got "
             << op.getResult(index).getType();
    }
  }
  return success();
}

static LogicalResult verifyGraphs(NodeOp op) {
  SmallVector<unsigned> references(op.getGraphs().size());
  for (NamedAttribute attr : op.getNodeAttrs()) {
    SmallVector<int64_t> indices;
    if (auto graph = dyn_cast<GraphRefAttr>(attr.getValue())) {
      indices.push_back(graph.getIndex());
    } else if (auto graphs = dyn_cast<GraphRefsAttr>(attr.getValue())) {
      llvm::append_range(indices, graphs.getIndices());
    }
    for (int64_t index : indices) {
      if (index < 0 || index >= static_cast<int64_t>(references.size())) {
        return op.emitOpError()
               << "attribute " << attr.getName() << ": expected one of "
               << references.size() << " regions, got region " << index;
      }
      ++references[index];
    }
  }
  for (auto [index, count] : llvm::enumerate(references)) {
    if (count != 1) {
      return op.emitOpError()
             << "expected one attribute that references region " << index
             << ", got " << count;
    }
  }
  return success();
}

LogicalResult NodeOp::verify() {
  if (getOpType().empty()) {
    return emitOpError() << "expected an operator type, got an empty one";
  }
  if (static_cast<int64_t>(getSinceVersion()) < 1) {
    return emitOpError() << "expected a version of at least 1, got "
                         << static_cast<int64_t>(getSinceVersion());
  }
  for (NamedAttribute attr : getNodeAttrs()) {
    if (!isNodeAttr(attr.getValue())) {
      return emitOpError() << "attribute " << attr.getName()
                           << ": expected a kind of ONNX attribute, got "
                           << attr.getValue();
    }
  }
  if (failed(verifyOutputs(*this))) {
    return failure();
  }
  return verifyGraphs(*this);
}
