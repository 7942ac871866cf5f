#include "lpu/Import/Report.h"

#include "mlir/Parser/Parser.h"
#include <gtest/gtest.h>

namespace {

// Two entries of one model: the report counts a node of both once.
constexpr const char *kModel = R"(
module attributes {onnx.opset = {ai.onnx = 18 : i64, com.example = 1 : i64}} {
  func.func @prefill(%c: tensor<i1> {onnx.name = "c"}, %x: tensor<4xf32>) {
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
  void make(const char *text) {
    context.loadDialect<mlir::onnx::ONNXDialect, mlir::func::FuncDialect>();
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    ASSERT_TRUE(module);
    report = lpu::makeReport(*module, trace, [](mlir::onnx::NodeOp op) {
      return op.getOpType() == "Relu" ? lpu::RuleAnswer{"Family", "", "", 0}
             : op.getOpType() == "If" ? lpu::RuleAnswer{"Flow", "input 0 is not a constant", "", 0}
                                      : lpu::RuleAnswer{"", "no rule", "", 3};
    });
    report.model = "m.onnx";
  }

  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  lpu::ImportTrace trace;
  lpu::ModelReport report;
};

TEST_F(Report, Text) {
  trace.nodes = {{"ai.onnx", "Shape", 15, "shape", false, "constant at import"}};
  trace.openDims = {{"batch", "c", 0}, {"batch", "x", 1}, {"", "u", 0}, {"", "u", 2}};
  make(kModel);
  std::string text;
  llvm::raw_string_ostream out(text);
  lpu::printReportText(report, out);
  EXPECT_EQ(text, R"(domain       operator  since  nodes  status       rule, or what is in the way
com.example  Skip          1      2  unsupported  no rule
  nodes: a, d
  hint: convert the model to operator set 3 or later (onnx.version_converter)
ai.onnx      If           16      1  unsupported  input 0 is not a constant
  nodes: b
  hint: fix input 'c': --input-value c=FILE.npy
ai.onnx      Relu         14      1  rule         Family
  nodes: e
ai.onnx      Shape        15      1  folded       constant at import
  nodes: shape

dimensions without a size:
  'batch' (input 'c', axis 0, input 'x', axis 1): bind with --dim batch=SIZE
  input 'u', axis 0, input 'u', axis 2: bind with --input-shape u=[SIZE,...]

m.onnx: 5 nodes: 3 unsupported, 1 converted by rules, 1 constant or unused; the model cannot be compiled as it is
)");
  EXPECT_EQ(report.getExitCode(), 2);
}

TEST_F(Report, Json) {
  make(kModel);
  report.operators.erase(report.operators.begin(), report.operators.begin() + 1);
  report.operators.resize(1);
  std::string text;
  llvm::raw_string_ostream out(text);
  lpu::printReportJson(report, out);
  EXPECT_EQ(text, R"({
  "model": "m.onnx",
  "narrowed": [],
  "open_dimensions": [],
  "operators": [
    {
      "count": 1,
      "domain": "ai.onnx",
      "hint": "fix input 'c': --input-value c=FILE.npy",
      "nodes": [
        "b"
      ],
      "operator": "If",
      "opset": 18,
      "reason": "input 0 is not a constant",
      "rule": "Flow",
      "since_version": 16,
      "status": "unsupported"
    }
  ],
  "summary": {
    "expanded": 0,
    "folded": 0,
    "nodes": 1,
    "open": 0,
    "rule": 0,
    "unsupported": 1,
    "wrong": 0
  }
}
)");
}

TEST_F(Report, AfterWhatIsInTheWay) {
  make(R"(
module {
  func.func @main(%x: tensor<4xf32>) {
    %0 = onnx.op "Add" version 14(%x) outputs ["a"] {onnx.error = "2 and 3"} : (tensor<4xf32>) -> !onnx.unknown
    %1 = onnx.op "If" version 16(%0) outputs ["b"] : (!onnx.unknown) -> !onnx.unknown
    %2 = onnx.op "Relu" version 14(%x) outputs ["c"] : (tensor<4xf32>) -> tensor<4xf32>
    return
  }
})");
  ASSERT_EQ(report.operators.size(), 3u);
  EXPECT_EQ(report.operators[0].status, lpu::OperatorStatus::Wrong);
  EXPECT_EQ(report.operators[0].reason, "2 and 3");
  EXPECT_EQ(report.operators[1].status, lpu::OperatorStatus::Open);
  EXPECT_EQ(report.operators[2].status, lpu::OperatorStatus::Rule);
  EXPECT_EQ(report.getExitCode(), 1);
}

TEST_F(Report, Nothing) {
  make("module {}");
  std::string text;
  llvm::raw_string_ostream out(text);
  lpu::printReportText(report, out);
  EXPECT_EQ(text, "domain  operator  since  nodes  status       rule, or what is in the way\n"
                  "\nm.onnx: 0 nodes; every operator is supported\n");
  EXPECT_EQ(report.getExitCode(), 0);
}

TEST_F(Report, Narrowed) {
  make(R"(
module {
  func.func @main(%x: tensor<4xi64> {onnx.name = "x"}) -> (tensor<4xf64> {onnx.name = "y"}) {
    %small = onnx.constant "small" dense<7> : tensor<4xi64>
    %large = onnx.constant "large" dense<4294967296> : tensor<4xi64>
    %tenth = onnx.constant "tenth" dense<0.1> : tensor<4xf64>
    %half = onnx.constant "half" dense<0.5> : tensor<4xf64>
    %0 = onnx.op "Add" version 14(%x, %small) outputs ["a"] : (tensor<4xi64>, tensor<4xi64>) -> tensor<4xi64>
    %1 = onnx.op "Add" version 14(%0, %large) outputs ["b"] : (tensor<4xi64>, tensor<4xi64>) -> tensor<4xi64>
    return %tenth : tensor<4xf64>
  }
})");
  std::string text;
  for (const lpu::NarrowedValue &value : report.narrowed) {
    text += value.kind + " " + value.name + " " + value.type + " " + value.carried + "\n";
  }
  EXPECT_EQ(text, "input x int64 int32\noutput y double float\nconstant large int64 int32\n"
                  "constant tenth double float\nnode a int64 int32\nnode b int64 int32\n");
}

} // namespace
