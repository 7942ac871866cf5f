//===- ONNXToLPU.cpp - The onnx level to the tensor level -----------------===//

#include "Elements.h"
#include "LPU/IR/LPUDialect.h"
#include "LPU/IR/LPUTensorOps.h"
#include "lpu/Conversion/ONNXRules.h"
#include "lpu/Conversion/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using ::lpu::onnx_lowering::Elements;
using ::lpu::onnx_lowering::getCarriedTensor;
using ::lpu::onnx_lowering::Rule;
using mlir::onnx::NodeOp;

/// The rules of one file.
struct Family {
  StringRef name;
  ArrayRef<Rule> rules;
};

static ArrayRef<Family> getFamilies() {
  using namespace ::lpu::onnx_lowering;
  static const Family families[] = {
      {"Arithmetic", getArithmeticRules()},
      {"Attention", getAttentionRules()},
      {"Cast", getCastRules()},
      {"Comparison", getComparisonRules()},
      {"Contraction", getContractionRules()},
      {"Contrib", getContribRules()},
      {"Convolution", getConvolutionRules()},
      {"Einsum", getEinsumRules()},
      {"Elementwise", getElementwiseRules()},
      {"Features", getFeatureRules()},
      {"Generation", getGenerationRules()},
      {"Indexing", getIndexingRules()},
      {"Loss", getLossRules()},
      {"Movement", getMovementRules()},
      {"Normalization", getNormalizationRules()},
      {"Pooling", getPoolingRules()},
      {"Quantization", getQuantizationRules()},
      {"Recurrent", getRecurrentRules()},
      {"Reduction", getReductionRules()},
      {"Resize", getResizeRules()},
      {"Signal", getSignalRules()},
      {"Sorting", getSortingRules()},
      {"Training", getTrainingRules()},
  };
  return families;
}

/// The first rule for `op` that can convert it, else the last one for its operator; null
/// when there is none. `reason` is what is in the way.
static const Rule *findRule(NodeOp op, std::string &reason, bool composites = true,
                            StringRef *familyName = nullptr) {
  const Rule *found = nullptr;
  reason = "no rule for this operator";
  for (const Family &family : getFamilies()) {
    for (const Rule &rule : family.rules) {
      if (rule.domain == op.getDomain() && rule.opType == op.getOpType() &&
          int64_t(op.getSinceVersion()) >= rule.since &&
          (composites || rule.elements != Elements::Native)) {
        found = &rule;
        reason = rule.whyNot(op);
        if (familyName) {
          *familyName = family.name;
        }
        if (reason.empty()) {
          return found;
        }
      }
    }
  }
  return found;
}

/// "input 1 has no static shape" where any input or output has none.
static std::string whyNotStatic(NodeOp op) {
  auto find = [](TypeRange types, StringRef what) -> std::string {
    for (auto [index, type] : llvm::enumerate(types)) {
      auto shaped = dyn_cast<RankedTensorType>(type);
      if (!isa<NoneType>(type) && (!shaped || !shaped.hasStaticShape())) {
        return (what + " " + Twine(index) + " has no static shape").str();
      }
    }
    return "";
  };
  std::string reason = find(op.getInputs().getTypes(), "input");
  return reason.empty() ? find(op.getResultTypes(), "output") : reason;
}

/// "elements of input 1 are not numbers" where a rule on carried elements meets some.
static std::string whyNotCarried(NodeOp op) {
  auto find = [](TypeRange types, StringRef what) -> std::string {
    for (auto [index, type] : llvm::enumerate(types)) {
      if (!isa<NoneType>(type) && !getCarriedTensor(type)) {
        return ("elements of " + what + " " + Twine(index) + " are not numbers").str();
      }
    }
    return "";
  };
  std::string reason = find(op.getInputs().getTypes(), "input");
  return reason.empty() ? find(op.getResultTypes(), "output") : reason;
}

namespace lpu::onnx_lowering {
int64_t getInt(NodeOp op, StringRef name, int64_t otherwise) {
  auto value = dyn_cast_or_null<IntegerAttr>(op.getNodeAttr(name));
  return value ? value.getInt() : otherwise;
}

float getFloat(NodeOp op, StringRef name, float otherwise) {
  auto value = dyn_cast_or_null<FloatAttr>(op.getNodeAttr(name));
  return value ? value.getValue().convertToFloat() : otherwise;
}

StringRef getString(NodeOp op, StringRef name, StringRef otherwise) {
  auto value = dyn_cast_or_null<StringAttr>(op.getNodeAttr(name));
  return value ? value.getValue() : otherwise;
}

std::string whyNotRanked(NodeOp op) {
  for (auto [index, type] : llvm::enumerate(op->getOperandTypes())) {
    if (!isa<NoneType, RankedTensorType>(type)) {
      return ("input " + Twine(index) + " has no known rank").str();
    }
  }
  for (auto [index, type] : llvm::enumerate(op->getResultTypes())) {
    if (!isa<NoneType, RankedTensorType>(type)) {
      return ("output " + Twine(index) + " has no known rank").str();
    }
  }
  return "";
}
} // namespace lpu::onnx_lowering

namespace lpu {
std::string whyNotConvertible(NodeOp op) {
  std::string reason;
  const Rule *rule = findRule(op, reason);
  // The importer may know why it left a node that it takes apart otherwise.
  auto known = op->getAttrOfType<StringAttr>(mlir::onnx::kReasonAttr);
  return !rule && known ? known.str() : reason;
}

ConversionRule findConversionRule(NodeOp op) {
  ConversionRule found;
  StringRef family;
  const Rule *rule = findRule(op, found.reason, /*composites=*/true, &family);
  if (rule) {
    bool isNative = rule->elements == Elements::Native;
    found.name = (family + (isNative ? " (composite)" : "")).str();
    found.shapeReason = found.reason.empty() ? whyNotStatic(op) : "";
    // Of a type without a shape it cannot be told.
    bool hasTypes = found.reason.empty() && ::lpu::onnx_lowering::whyNotRanked(op).empty();
    found.reason = hasTypes && !isNative ? whyNotCarried(op) : found.reason;
    return found;
  }
  found.reason = whyNotConvertible(op);
  for (const Family &family : getFamilies()) {
    for (const Rule &rule : family.rules) {
      if (rule.domain == op.getDomain() && rule.opType == op.getOpType() &&
          (found.laterSince == 0 || rule.since < found.laterSince)) {
        found.laterSince = rule.since;
      }
    }
  }
  return found;
}
} // namespace lpu

namespace {

/// Values of the onnx level stay until the end; every rule gets what they have become.
class FunctionConverter {
public:
  FunctionConverter(func::FuncOp function, bool composites)
      : function(function), composites(composites) {}

  LogicalResult run() {
    rename();
    Block &body = function.getBody().front();
    SmallVector<Operation *> old;
    for (Operation &op : body) {
      old.push_back(&op);
    }
    for (Operation *op : old) {
      if (failed(convert(*op))) {
        return failure();
      }
    }
    for (Operation *op : llvm::reverse(ArrayRef(old).drop_back())) {
      op->erase();
    }
    return success();
  }

private:
  /// Names of inputs and outputs are the tensor level's from here on.
  void rename() {
    Builder builder(function.getContext());
    for (unsigned i = 0; i < function.getNumArguments(); ++i) {
      if (Attribute name = function.removeArgAttr(i, builder.getStringAttr("onnx.name"))) {
        function.setArgAttr(i, mlir::lpu::LPUDialect::kNameAttr, name);
      }
      if (Attribute most = function.removeArgAttr(i, builder.getStringAttr(mlir::onnx::kMaxAttr))) {
        function.setArgAttr(i, mlir::lpu::LPUDialect::kMaxAttr, most);
      }
    }
    for (unsigned i = 0; i < function.getNumResults(); ++i) {
      if (Attribute name = function.removeResultAttr(i, builder.getStringAttr("onnx.name"))) {
        function.setResultAttr(i, mlir::lpu::LPUDialect::kNameAttr, name);
      }
    }
  }

  LogicalResult convert(Operation &op) {
    ImplicitLocOpBuilder builder(op.getLoc(), &op);
    if (auto weight = dyn_cast<mlir::onnx::WeightOp>(op)) {
      // Only rules that take the model's own types read it as it is.
      converted[weight] = mlir::lpu::WeightOp::create(
          builder, weight.getType(), weight.getNameAttr(), weight.getValue(), IntegerAttr());
    } else if (auto constant = dyn_cast<mlir::onnx::ConstantOp>(op)) {
      // A matrix keeps its name: it may become a weight in int8.
      bool isMatrix =
          constant.getType().getRank() == 2 && constant.getType().getElementType().isF32();
      auto value = cast<TypedAttr>(constant.getValue());
      converted[constant] =
          isMatrix ? mlir::lpu::WeightOp::create(builder, constant.getType(),
                                                 constant.getNameAttr(), value, IntegerAttr())
                         .getResult()
                   : arith::ConstantOp::create(builder, value).getResult();
    } else if (auto node = dyn_cast<NodeOp>(op)) {
      return convertNode(node, builder);
    } else if (auto ret = dyn_cast<func::ReturnOp>(op)) {
      for (OpOperand &operand : ret->getOpOperands()) {
        Value value = operand.get();
        if (isa_and_nonnull<mlir::onnx::WeightOp, mlir::onnx::ConstantOp>(value.getDefiningOp()) &&
            ::lpu::onnx_lowering::getCarriedTensor(value.getType())) {
          FailureOr<Value> carried = carry(value, /*isMoved=*/false, builder);
          if (failed(carried)) {
            return failure();
          }
          converted[value] = *carried;
        }
        operand.set(getNative(value, builder));
      }
    }
    return success();
  }

  LogicalResult convertNode(NodeOp node, ImplicitLocOpBuilder &builder) {
    std::string reason;
    const Rule *rule = findRule(node, reason, composites);
    reason = reason.empty() ? whyNotStatic(node) : reason;
    bool isNative = rule && rule->elements == Elements::Native;
    reason = reason.empty() && !isNative ? whyNotCarried(node) : reason;
    SmallVector<Value> inputs;
    for (Value input : node.getInputs()) {
      if (!reason.empty()) {
        break;
      }
      if (isa<NoneType>(input.getType())) {
        inputs.push_back(Value());
      } else if (isNative) {
        inputs.push_back(getNative(input, builder));
      } else {
        FailureOr<Value> carried = carry(input, rule->elements == Elements::Moved, builder);
        if (failed(carried)) {
          return failure();
        }
        inputs.push_back(*carried);
      }
    }
    if (!reason.empty()) {
      return node.emitError() << "node '" << node.getNodeName() << "' (" << node.getOpType()
                              << "): " << reason;
    }
    SmallVector<Value> results = rule->convert(node, inputs, builder);
    for (auto [old, result] : llvm::zip(node.getResults(), results)) {
      if (result && rule->elements == Elements::Carried) {
        result = ::lpu::onnx_lowering::roundElements(
            builder, result, cast<RankedTensorType>(old.getType()).getElementType());
      }
      converted[old] = result;
    }
    return success();
  }

  static bool isUnsigned(Type type) {
    return cast<RankedTensorType>(type).getElementType().isUnsignedInteger();
  }

  /// What `value` has become; a block argument has only the type of its function.
  Value lookUp(Value value) {
    auto found = converted.find(value);
    return found == converted.end() ? value : found->second;
  }

  /// `value` of the onnx level with elements as the machine carries them.
  FailureOr<Value> carry(Value value, bool isMoved, ImplicitLocOpBuilder &builder) {
    RankedTensorType type = ::lpu::onnx_lowering::getCarriedTensor(value.getType());
    Value now = lookUp(value);
    // bool is a byte in a file.
    bool isBytes =
        value.getDefiningOp<mlir::onnx::WeightOp>() && type.getElementType().isInteger(1);
    if (now.getType() == type && !isBytes) {
      return now;
    }
    Value &known = carried[value];
    if (!known) {
      OpBuilder::InsertionGuard guard(builder);
      // Where every later user sees it.
      builder.setInsertionPointAfterValue(now);
      FailureOr<Value> constant = ::lpu::onnx_lowering::carryConstant(builder, value, isMoved);
      if (failed(constant)) {
        return failure();
      }
      known = *constant
                  ? *constant
                  : mlir::lpu::NarrowOp::create(builder, type, now, isUnsigned(value.getType()))
                        .getResult();
    }
    return known;
  }

  /// `value` of the onnx level with the model's elements.
  Value getNative(Value value, ImplicitLocOpBuilder &builder) {
    Value now = lookUp(value);
    return !now || now.getType() == value.getType()
               ? now
               : mlir::lpu::WidenOp::create(builder, value.getType(), now,
                                            isUnsigned(value.getType()))
                     .getResult();
  }

  func::FuncOp function;
  bool composites;
  llvm::DenseMap<Value, Value> converted, carried;
};

struct ONNXToLPU : PassWrapper<ONNXToLPU, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ONNXToLPU)
  ONNXToLPU() = default;
  ONNXToLPU(const ONNXToLPU &other) : PassWrapper(other) {}
  explicit ONNXToLPU(bool useComposites) { composites = useComposites; }
  StringRef getArgument() const override { return "convert-onnx-to-lpu"; }
  StringRef getDescription() const override { return "turn ONNX nodes into the tensor level"; }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, linalg::LinalgDialect, math::MathDialect,
                    tensor::TensorDialect, mlir::lpu::LPUDialect>();
  }
  void runOnOperation() override {
    if (failed(FunctionConverter(getOperation(), composites).run())) {
      signalPassFailure();
    }
  }
  Option<bool> composites{*this, "composites", llvm::cl::init(true),
                          llvm::cl::desc("use operations that have kernels of their own")};
};

} // namespace

namespace lpu {
std::unique_ptr<Pass> createONNXToLPUPass(bool composites) {
  return std::make_unique<ONNXToLPU>(composites);
}
} // namespace lpu
