#include "lpu/Import/Report.h"

#include "mlir/Parser/Parser.h"
#include <gtest/gtest.h>

namespace {

// Two entries of one model: the report counts a node of both once.
constexpr const char *kModel = R"(
module attributes {onnx.opset = {ai.onnx = 18 : i64, com.example = 1 : i64}} {
  func.func @prefill(%c: tensor<i1>, %x: tensor<4xf32>) {
    %0 = onnx.op "Skip" domain "com.example" version 1(%x) outputs ["a"] : (tensor<4xf32>) -> tensor<4xf32>
    %1 = onnx.op "If" version 16(%c) attributes {then_branch = #onnx.graph<0>} outputs ["b"] : (tensor<i1>) -> tensor<4xf32> graphs {
      %2 = onnx.op "Skip" domain "com.example" version 1(%x) outputs ["d"] : (tensor<4xf32>) -> tensor<4xf32>
      onnx.yield %2 : tensor<4xf32>
    }
    %3 = onnx.op "Relu" version 14(%x) outputs ["e"] : (tensor<4xf32>) -> tensor<4xf32>
    return
  }
  func.func @decode(%x: tensor<4xf32>) {
    %0 = onnx.op "Skip" domain "com.example" version 1(%x) outputs ["a"] : (tensor<4xf32>) -> tensor<4xf32>
    return
  }
})";

class Report : public testing::Test {
protected:
  void SetUp() override {
    context.loadDialect<mlir::onnx::ONNXDialect, mlir::func::FuncDialect>();
    module = mlir::parseSourceString<mlir::ModuleOp>(kModel, &context);
    ASSERT_TRUE(module);
    report =
        lpu::findUnsupported(*module, [](mlir::onnx::NodeOp op) -> std::string {
          return op.getOpType() == "Relu" ? ""
                 : op.getOpType() == "If" ? "needs a constant condition"
                                          : "no rule";
        });
  }

  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::vector<lpu::UnsupportedOperator> report;
};

TEST_F(Report, Text) {
  std::string text;
  llvm::raw_string_ostream out(text);
  lpu::printReportText(report, out);
  EXPECT_EQ(text,
            "domain       operator  since  opset  count  reason; first nodes\n"
            "com.example  Skip      1      1      2      no rule; a, d\n"
            "ai.onnx      If        16     18     1      needs a constant "
            "condition; b\n");
}

TEST_F(Report, Json) {
  std::string text;
  llvm::raw_string_ostream out(text);
  lpu::printReportJson(llvm::ArrayRef(report).drop_front(), out);
  EXPECT_EQ(text, R"({
  "unsupported": [
    {
      "count": 1,
      "domain": "ai.onnx",
      "nodes": [
        "b"
      ],
      "operator": "If",
      "opset": 18,
      "reason": "needs a constant condition",
      "since_version": 16
    }
  ]
}
)");
}

TEST_F(Report, Nothing) {
  std::string text;
  llvm::raw_string_ostream out(text);
  lpu::printReportText({}, out);
  EXPECT_EQ(text, "every operator is supported\n");
}

} // namespace
