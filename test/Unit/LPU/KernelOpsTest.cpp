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

/// "8, 32, f16" as an input of that many rows and columns.
std::string load(const std::string &name, const std::string &buffer) {
  size_t comma = buffer.rfind(',');
  std::string format = buffer.substr(comma + 2);
  std::string element = format == "f16" ? "f32" : format == "u8" ? "ui8" : format;
  return "%" + name + " = lpu.load_input \"" + name + "\" shape [" + buffer.substr(0, comma) +
         "] {element = " + element + "} : <" + buffer + ">\n";
}

std::string appendColumns(const std::string &rows, const std::string &tiles,
                          const std::string &from = "20, 320, i32",
                          const std::string &to = "320, 320, i32") {
  return load("x", rows) + "%s = lpu.state \"s\" : <" + tiles + ">\n" + load("from", from) +
         load("to", to) + "lpu.append_columns %x from %from to %to into %s : <" + rows + ">, <" +
         from + ">, <" + to + ">, <" + tiles + ">";
}

TEST(AppendColumns, RowsOfTheTilesFormatAndMaps) {
  EXPECT_EQ(verifyBody(appendColumns("8, 32, f16", "32, 64, f16 transposed true")), "");
  EXPECT_EQ(verifyBody(appendColumns("8, 32, u8", "32, 64, u8 transposed true")), "");
  for (const char *tiles : {"32, 64, f16", "32, 64, u8 transposed true", "48, 64, f16 transposed true"}) {
    EXPECT_THAT(verifyBody(appendColumns("8, 32, f16", tiles)),
                testing::HasSubstr("expected transposed tiles with a row for each column of the "
                                   "source, got '!lpu.buffer<8, 32, f16>' and '!lpu.tiles<"));
  }
}

TEST(AppendColumns, MapsOfIntegersForEverySlice) {
  for (auto [from, to] : {std::pair{"20, 320, f32", "320, 320, i32"}, {"20, 320, i32", "320, 320, f32"},
                          {"20, 320, i32", "319, 320, i32"}, {"20, 320, i32", "10, 320, i32"}}) {
    EXPECT_THAT(verifyBody(appendColumns("8, 32, f16", "32, 64, f16 transposed true", from, to)),
                testing::HasSubstr("expected i32 maps, `to` with a row for each of `from` and each "
                                   "slice, got '!lpu.buffer<"));
  }
}

// Nothing places a permutation's rows in a buffer that others fill, too.
TEST(ConcatRows, PartsAreOfMapsOrGathers) {
  std::string load = "%x = lpu.load_input \"x\" shape [2, 4] : <2, 4, f32>\n";
  std::string type = "!lpu.buffer<2, 4, f32>";
  std::string map = "%m = lpu.map(%x) scales [1.0] : (" + type + ") -> " + type +
                    " {\n^bb0(%a: f32):\nlpu.yield %a : f32\n}\n";
  auto concat = [&](const std::string &part) {
    return load + map + "%p = lpu.permute %x by [3, 2, 1, 0] : <2, 4, f32>\n%y = lpu.concat_rows %" +
           part + " : (" + type + ") -> " + type;
  };
  EXPECT_EQ(verifyBody(concat("m")), "");
  for (const char *part : {"x", "p"}) {
    EXPECT_THAT(verifyBody(concat(part)), testing::HasSubstr("expected results of maps or gathers"));
  }
}

} // namespace
