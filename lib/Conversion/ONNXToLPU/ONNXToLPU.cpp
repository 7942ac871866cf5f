//===- ONNXToLPU.cpp - The onnx level to the tensor level -----------------===//

#include "LPU/IR/LPUDialect.h"
#include "LPU/IR/LPUTensorOps.h"
#include "Rules.h"
#include "lpu/Conversion/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using ::lpu::onnx_lowering::Rule;
using mlir::onnx::NodeOp;

static const Rule *findRule(NodeOp op) {
  for (ArrayRef<Rule> family : {::lpu::onnx_lowering::getAttentionRules(),
                                ::lpu::onnx_lowering::getContractionRules(),
                                ::lpu::onnx_lowering::getElementwiseRules(),
                                ::lpu::onnx_lowering::getMovementRules(),
                                ::lpu::onnx_lowering::getNormalizationRules(),
                                ::lpu::onnx_lowering::getQuantizationRules()}) {
    for (const Rule &rule : family) {
      if (rule.domain == op.getDomain() && rule.opType == op.getOpType() &&
          int64_t(op.getSinceVersion()) >= rule.since) {
        return &rule;
      }
    }
  }
  return nullptr;
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
  const Rule *rule = findRule(op);
  return rule ? rule->whyNot(op) : "no rule for this operator";
}
} // namespace lpu

namespace {

class FunctionConverter {
public:
  explicit FunctionConverter(func::FuncOp function) : function(function) {}

  LogicalResult run() {
    rename();
    for (Operation &op : llvm::make_early_inc_range(function.getBody().front())) {
      if (failed(convert(op))) {
        return failure();
      }
    }
    // What stood for absent inputs.
    for (auto none : llvm::make_early_inc_range(function.getOps<mlir::onnx::NoneOp>())) {
      none.erase();
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
      if (Attribute most =
              function.removeArgAttr(i, builder.getStringAttr(mlir::onnx::kMaxAttr))) {
        function.setArgAttr(i, mlir::lpu::LPUDialect::kMaxAttr, most);
      }
    }
    for (unsigned i = 0; i < function.getNumResults(); ++i) {
      if (Attribute name =
              function.removeResultAttr(i, builder.getStringAttr("onnx.name"))) {
        function.setResultAttr(i, mlir::lpu::LPUDialect::kNameAttr, name);
      }
    }
  }

  LogicalResult convert(Operation &op) {
    ImplicitLocOpBuilder builder(op.getLoc(), &op);
    if (auto weight = dyn_cast<mlir::onnx::WeightOp>(op)) {
      weight.replaceAllUsesWith(
          mlir::lpu::WeightOp::create(builder, weight.getType(), weight.getNameAttr(),
                                      weight.getValue(), IntegerAttr())
              .getResult());
      weight.erase();
    } else if (auto constant = dyn_cast<mlir::onnx::ConstantOp>(op)) {
      // A matrix keeps its name: it may become a weight in int8.
      bool isMatrix = constant.getType().getRank() == 2 &&
                      constant.getType().getElementType().isF32();
      auto value = cast<TypedAttr>(constant.getValue());
      constant.replaceAllUsesWith(
          isMatrix ? mlir::lpu::WeightOp::create(builder, constant.getType(),
                                                 constant.getNameAttr(), value, IntegerAttr())
                         .getResult()
                   : arith::ConstantOp::create(builder, value).getResult());
      constant.erase();
    } else if (auto node = dyn_cast<NodeOp>(op)) {
      std::string reason = ::lpu::whyNotConvertible(node);
      reason = reason.empty() ? whyNotStatic(node) : reason;
      if (!reason.empty()) {
        return node.emitError() << "node '" << node.getNodeName() << "' ("
                                << node.getOpType() << "): " << reason;
      }
      SmallVector<Value> results =
          findRule(node)->convert(node, node.getInputs(), builder);
      for (auto [old, result] : llvm::zip(node.getResults(), results)) {
        if (result) {
          old.replaceAllUsesWith(result);
        }
      }
      node.erase();
    }
    return success();
  }

  func::FuncOp function;
};

struct ONNXToLPU : PassWrapper<ONNXToLPU, OperationPass<func::FuncOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(ONNXToLPU)
  StringRef getArgument() const override { return "convert-onnx-to-lpu"; }
  StringRef getDescription() const override {
    return "turn ONNX nodes into the tensor level";
  }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<arith::ArithDialect, linalg::LinalgDialect, math::MathDialect,
                    tensor::TensorDialect, mlir::lpu::LPUDialect>();
  }
  void runOnOperation() override {
    if (failed(FunctionConverter(getOperation()).run())) {
      signalPassFailure();
    }
  }
};

} // namespace

namespace lpu {
std::unique_ptr<Pass> createONNXToLPUPass() {
  return std::make_unique<ONNXToLPU>();
}
} // namespace lpu
