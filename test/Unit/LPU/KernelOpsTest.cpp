#include "LPU/IR/LPUKernelOps.h"
#include "lpu/Support/Numerics.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace mlir;
using namespace mlir::lpu;

namespace {

/// "" where `body` is right, else the first error.
std::string verifyBody(const std::string &body) {
  MLIRContext context;
  context.loadDialect<LPUDialect, func::FuncDialect>();
  std::string error;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    error = error.empty() ? diagnostic.str() : error;
    return success();
  });
  parseSourceString<ModuleOp>("func.func @f() {\n" + body + "\nreturn\n}", &context);
  return error;
}

std::string contractWith(const std::string &activations, const std::string &tiles) {
  std::string x = "!lpu.buffer<1, 32, " + activations + ">", t = "!lpu.tiles<32, 32, " + tiles + ">";
  return "%x = lpu.load_input \"x\" shape [1, 32] : " + x.substr(11) +
         "\n%s = lpu.state \"s\" : " + t.substr(10) + "\n%y = lpu.contract %x tiles %s : (" + x +
         ", " + t + ") -> !lpu.acc<1, 32, " + activations + ">";
}

TEST(WidenedTiles, EveryByteIsAnInteger) {
  for (int64_t byte = 0; byte < 256; ++byte) {
    auto bits = uint16_t(kWideningByte << 8 | byte);
    EXPECT_EQ(::lpu::halfToFloat(bits), float(kWideningOffset + byte));
  }
}

TEST(WidenedTiles, OneByteAnElement) {
  EXPECT_EQ(getNumBytes(Format::U8), 1u);
  EXPECT_EQ(getNumLimbs(Format::U8), 0u); // no activations of the MXM
}

TEST(WidenedTiles, MeetActivationsInHalfPrecision) {
  EXPECT_EQ(verifyBody(contractWith("f16", "u8")), "");
  EXPECT_EQ(verifyBody(contractWith("f16", "f16")), "");
  EXPECT_THAT(verifyBody(contractWith("i8x2", "u8")),
              testing::HasSubstr("expected tiles and activations of one format, or u8 and f16"));
}

} // namespace
