#include "LPU/IR/LPUTensorOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace mlir;

namespace {

/// The text printed after parsing, or the first error.
std::string parseAndPrint(const std::string &text) {
  MLIRContext context;
  context.loadDialect<mlir::lpu::LPUDialect, func::FuncDialect>();
  std::string error, printed;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    if (error.empty()) {
      error = diagnostic.str();
    }
    return success();
  });
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
  if (!module) {
    return error;
  }
  llvm::raw_string_ostream os(printed);
  module->print(os);
  return printed;
}

std::string inFunction(const std::string &arguments, const std::string &body) {
  return "func.func @f(" + arguments + ") {\n" + body + "\nreturn\n}";
}

constexpr char kEveryOp[] = R"mlir(
func.func @f(%x: tensor<1x4x64xf32>, %kc: tensor<1x16x32xf32> {lpu.name = "k", lpu.state = "k"},
             %p: tensor<1xi64>, %m: tensor<1x1x4x12xi1>, %cs: tensor<1x4x8xf32>,
             %e: tensor<100x64xf32>, %s: tensor<64xf32>, %rows: tensor<1x4x32xf32>)
    -> (tensor<1x16x32xf32> {lpu.state = "k"}) {
  %w = lpu.weight "w" dense<1.0> : tensor<4x4xf32> {int8_axis = 1 : i64} : tensor<4x4xf32>
  %q = lpu.weight "q" dense<1> : tensor<8x4xi8> : tensor<8x4xi8>
  %qs = lpu.weight "qs" dense<1.0> : tensor<4xf32> : tensor<4xf32>
  %qb = lpu.weight "qb" dense<1.0> : tensor<2x4xf32> : tensor<2x4xf32>
  %d = lpu.dequantize %q scale %qs {axis = 1 : i64} : (tensor<8x4xi8>, tensor<4xf32>) -> tensor<8x4xf32>
  %b = lpu.dequantize %q scale %qb {axis = 0 : i64, block_size = 4 : i64} : (tensor<8x4xi8>, tensor<2x4xf32>) -> tensor<8x4xf32>
  %i = lpu.quantize %x scale %s {axis = 2 : i64} : (tensor<1x4x64xf32>, tensor<64xf32>) -> tensor<1x4x64xi8>
  %g = lpu.gather %e[%p] axis 0 : (tensor<100x64xf32>, tensor<1xi64>) -> tensor<1x64xf32>
  %u = lpu.cache_update %rows into %kc at %p axis 1 circular : (tensor<1x16x32xf32>, tensor<1x4x32xf32>, tensor<1xi64>) -> tensor<1x16x32xf32>
  %r = lpu.rms_norm %x scale %s axis 2 epsilon 1.0e-05 : tensor<1x4x64xf32>, tensor<64xf32>
  %l = lpu.layer_norm %x scale %s bias %s axis 2 epsilon 1.0e-05 : tensor<1x4x64xf32>, tensor<64xf32>, tensor<64xf32>
  %t = lpu.softmax %x axis 2 : tensor<1x4x64xf32>
  %o = lpu.rotary %x cos %cs sin %cs heads 4 interleaved : tensor<1x4x64xf32>, tensor<1x4x8xf32>, tensor<1x4x8xf32>
  %a = lpu.attention %x, %u, %u mask %m kv_length %p heads 4, 2 scale 2.5e-01 softcap 3.0e+01 causal {past_length = 2 : i64} : (tensor<1x4x64xf32>, tensor<1x16x32xf32>, tensor<1x16x32xf32>, tensor<1x1x4x12xi1>, tensor<1xi64>) -> tensor<1x4x64xf32>
  return %u : tensor<1x16x32xf32>
}
)mlir";

TEST(TensorOps, RoundTrip) {
  std::string once = parseAndPrint(kEveryOp);
  EXPECT_THAT(once, testing::HasSubstr("lpu.attention %arg0, %8, %8 mask %arg3 kv_length %arg2 "
                                       "heads 4, 2 scale 2.500000e-01"));
  EXPECT_EQ(parseAndPrint(once), once);
}

TEST(TensorOps, WeightErrors) {
  EXPECT_EQ(parseAndPrint(inFunction("", "%w = lpu.weight \"w\" dense<1> : tensor<2xi8> : "
                                         "tensor<3xi8>")),
            "'lpu.weight' op expected a value of type 'tensor<3xi8>', got 'tensor<2xi8>'");
  EXPECT_EQ(parseAndPrint(inFunction("", "%w = lpu.weight \"w\" dense<1.0> : tensor<2xf32> "
                                         "{int8_axis = 1 : i64} : tensor<2xf32>")),
            "'lpu.weight' op expected an axis below 1, got 1");
}

TEST(TensorOps, QuantizeErrors) {
  auto quantize = [](const std::string &attributes, const std::string &types) {
    return parseAndPrint(inFunction("%x: tensor<2x4xf32>, %s: tensor<4xf32>",
                                    "%q = lpu.quantize %x scale %s " + attributes + " : " + types));
  };
  EXPECT_THAT(quantize("", "(tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xi8>"),
              testing::HasSubstr("expected scales of 'tensor<1xf32>', got 'tensor<4xf32>'"));
  EXPECT_THAT(quantize("{axis = 0 : i64}", "(tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xi8>"),
              testing::HasSubstr("expected scales of 'tensor<2xf32>', got 'tensor<4xf32>'"));
  EXPECT_THAT(quantize("{axis = 1 : i64}", "(tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x5xi8>"),
              testing::HasSubstr("expected a result of the source's shape"));
}

TEST(TensorOps, GatherErrors) {
  EXPECT_EQ(parseAndPrint(inFunction("%t: tensor<9x4xf32>, %i: tensor<2x3xi64>",
                                     "%r = lpu.gather %t[%i] axis 0 : (tensor<9x4xf32>, "
                                     "tensor<2x3xi64>) -> tensor<2x4xf32>")),
            "'lpu.gather' op expected a result of 'tensor<2x3x4xf32>', got 'tensor<2x4xf32>'");
}

TEST(TensorOps, CacheUpdateErrors) {
  EXPECT_EQ(parseAndPrint(inFunction("%c: tensor<1x8x4xf32>, %r: tensor<1x9x4xf32>",
                                     "%u = lpu.cache_update %r into %c axis 1 : "
                                     "(tensor<1x8x4xf32>, tensor<1x9x4xf32>) -> "
                                     "tensor<1x8x4xf32>")),
            "'lpu.cache_update' op expected rows of the cache's type but for a shorter axis 1, "
            "got 'tensor<1x9x4xf32>' into 'tensor<1x8x4xf32>'");
}

TEST(TensorOps, NormErrors) {
  EXPECT_EQ(parseAndPrint(inFunction("%x: tensor<2x8xf32>, %s: tensor<4xf32>",
                                     "%r = lpu.rms_norm %x scale %s axis 1 epsilon 1.0e-05 : "
                                     "tensor<2x8xf32>, tensor<4xf32>")),
            "'lpu.rms_norm' op expected scale to broadcast to the dimensions of "
            "'tensor<2x8xf32>' from 1 on, got 'tensor<4xf32>'");
  EXPECT_EQ(parseAndPrint(inFunction("%x: tensor<2x8xf32>",
                                     "%r = lpu.softmax %x axis 2 : tensor<2x8xf32>")),
            "'lpu.softmax' op expected an axis below 2, got 2");
}

TEST(TensorOps, AttentionErrors) {
  EXPECT_EQ(parseAndPrint(inFunction("%q: tensor<1x2x12xf32>, %k: tensor<1x4x8xf32>",
                                     "%r = lpu.attention %q, %k, %k heads 3, 2 scale 1.0 : "
                                     "(tensor<1x2x12xf32>, tensor<1x4x8xf32>, "
                                     "tensor<1x4x8xf32>) -> tensor<1x2x12xf32>")),
            "'lpu.attention' op expected query heads to be a multiple of the kv heads, got 3 "
            "and 2");
}

TEST(TensorOps, StateErrors) {
  EXPECT_EQ(parseAndPrint("func.func private @f(tensor<2xf32> {lpu.state = \"k\"})"),
            "'func.func' op expected state \"k\" on one argument and one result, got 1 and 0");
  EXPECT_EQ(parseAndPrint("func.func private @f(tensor<2xf32> {lpu.name = 3})"),
            "'func.func' op expected lpu.name to be a string, got 3 : i64");
}

} // namespace
