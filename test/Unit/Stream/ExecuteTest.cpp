//===- ExecuteTest.cpp - Scheduled chains on the executor -----------------===//
//
// Random chains on `tiny` share SRAM words, an ALU's register, and the planes'
// buffers, arrays and accumulators. What they compute in program order is
// computed here too. A missing dependence gives a hazard or a wrong number, a
// wrong cycle count shows against the executor's own.
//
//===----------------------------------------------------------------------===//

#include "StreamModule.h"
#include "lpu/Executor/Executor.h"
#include "lpu/Export/Export.h"
#include "lpu/Verifier/Verifier.h"
#include <array>
#include <gtest/gtest.h>
#include <random>

using namespace lpu;

namespace {

constexpr int kLanes = 32, kVxm = 44;
constexpr int kSlices = 6;    ///< slices that hold values
constexpr int kSlots = 3;     ///< values of a slice that chains share
constexpr int kInputs = 100;  ///< first word of a slice's inputs
constexpr int kOutputs = 200; ///< first word of a slice's outputs
constexpr int kTiles = 3;
constexpr int kTileSlice = 24; ///< first of the 16 slices of a side that hold tiles

using Vector = std::array<int8_t, kLanes>;
using Tile = std::array<Vector, kLanes>;

std::string text(int64_t number) { return std::to_string(number); }

struct Slice {
  bool east;
  int number;
  int column() const { return east ? 45 + number : 43 - number; }
  std::string queue() const {
    return std::string("mem.") + (east ? "e" : "w") + text(number);
  }
  /// As isa.region counts them.
  int index() const { return east ? 40 + number : number; }
};
constexpr Slice kValueSlices[kSlices] = {{false, 0}, {false, 3}, {false, 7},
                                         {true, 1},  {true, 4},  {true, 8}};

std::string direction(int from, int to) { return from < to ? "east" : "west"; }

/// Text of one chain; offsets are counted from any cycle and moved at the end.
class ChainText {
public:
  /// Reads words so that they are at `column` from cycle `now` on.
  std::string read(Slice slice, int first, int count, int column, int now) {
    int distance = std::abs(slice.column() - column);
    std::string dir = direction(slice.column(), column);
    return add("mem", slice.queue(), now - 5 - distance,
               "r = \"linear\", r_addr = " + text(first) + ", r_dir = \"" + dir + "\"",
               repeat(count, "r_addr"), "", "", "!stream.flow<" + dir + ", 1>");
  }
  /// Writes what is driven at the VXM from cycle `now` on.
  void write(const std::string &value, Slice slice, int first, int count, int now) {
    std::string dir = direction(kVxm, slice.column());
    add("mem", slice.queue(), now + std::abs(slice.column() - kVxm),
        "w = \"linear\", w_addr = " + text(first) + ", w_dir = \"" + dir + "\"",
        repeat(count, "w_addr"), value, "!stream.flow<" + dir + ", 1>", "");
  }
  std::string add(const std::string &mnemonic, const std::string &queue, int at,
                  const std::string &fields, const std::string &repeated,
                  const std::string &operands, const std::string &operandTypes,
                  const std::string &results) {
    std::string name = "%v" + text(int64_t(issues.size()));
    issues.push_back({at, (results.empty() ? "" : name + " = ") + "stream.issue \"" +
                              mnemonic + "\" on \"" + queue + "\" at ",
                      " {" + fields + "}" + repeated +
                          (operands.empty() ? "" : "(" + operands + ")") + " : (" +
                          operandTypes + ") -> (" + results + ")\n"});
    return name;
  }
  /// An operation that is no issue.
  void addText(const std::string &line) { issues.push_back({INT_MAX, line, ""}); }

  std::string finish(const std::string &name) const {
    int first = INT_MAX;
    for (const Issue &issue : issues) {
      first = std::min(first, issue.at);
    }
    std::string body = "stream.chain \"" + name + "\" {\n";
    for (const Issue &issue : issues) {
      body += issue.before + (issue.at == INT_MAX ? "" : text(issue.at - first)) +
              issue.after;
    }
    return body + "}\n";
  }
  static std::string repeat(int count, const std::string &field) {
    return count == 1 ? ""
                      : " repeat [" + text(count) + ", 1, 1, 0]" +
                            (field.empty() ? ""
                                           : " strides {" + field + " = array<i64: 0, 1>}");
  }

private:
  struct Issue {
    int at;
    std::string before, after;
  };
  std::vector<Issue> issues;
};

/// A random program, as text and as what it computes.
class RandomProgram {
public:
  explicit RandomProgram(uint32_t seed) : random(seed) {
    for (Tile &tile : tiles) {
      for (Vector &row : tile) {
        fill(row);
      }
    }
    for (auto &slice : values) {
      for (Vector &value : slice) {
        fill(value);
      }
    }
    inputs = values;
    for (int s = 0; s < kSlices; ++s) {
      addUnary(s, kInputs, s, 0, kSlots, 0);
    }
    for (int k = 0; k < 30; ++k) {
      addRandomChain();
    }
    for (int s = 0; s < kSlices; ++s) {
      addUnary(s, 0, s, kOutputs, kSlots, 0);
    }
  }

  std::string getText() const {
    std::string data;
    for (int s = 0; s < kSlices; ++s) {
      std::string at = " slice " + text(kValueSlices[s].index()) + " bank 0 words ";
      std::string planes = " planes [" + text(kValueSlices[s].index()) + ", 0, ";
      std::string shape = " of @main \"i8\" as \"i8\" shape [3, 32] rows 3 columns 32 "
                          "vectors 1 stride 1";
      data += "isa.region \"input\" \"x\" of @main" + at + text(kInputs) + ", 3\n";
      data += "isa.region \"scratch\" \"s\" of @main" + at + "0, 3\n";
      data += "isa.region \"output\" \"y\" of @main" + at + text(kOutputs) + ", 3\n";
      data += "isa.binding \"input\" \"x" + text(s) + "\"" + shape + planes +
              text(kInputs) + "]\n";
      data += "isa.binding \"output\" \"y" + text(s) + "\"" + shape + planes +
              text(kOutputs) + "]\n";
    }
    return moduleText(chains, data + getWeights());
  }

  std::array<std::array<Vector, kSlots>, kSlices> inputs, values;

private:
  uint32_t below(uint32_t limit) { return uint32_t(random() % limit); }
  void fill(Vector &vector) {
    for (int8_t &lane : vector) {
      lane = int8_t(random());
    }
  }
  std::string newName(const std::string &kind) {
    return kind + text(++numChains);
  }
  static std::string immediate(int number) {
    return "b = \"immediate\", b_type = \"i32\", b_value = " + text(number);
  }
  static std::string streamA(const Slice &slice, const std::string &type = "i8") {
    return "a = \"stream\", a_type = \"" + type + "\", a_dir = \"" +
           direction(slice.column(), kVxm) + "\"";
  }
  static std::string flow(int from, int to, int width = 1) {
    return "!stream.flow<" + direction(from, to) + ", " + text(width) + ">";
  }
  static std::string drive(const Slice &slice) {
    return "out = \"i8\", out_dir = \"" + direction(kVxm, slice.column()) + "\"";
  }

  /// Rows of tiles, 16 a word: slice 24 + j, word 2 * tile + group.
  std::string getWeights() const {
    std::string data;
    for (bool east : {false, true}) {
      for (int j = 0; j < 16; ++j) {
        std::string bytes;
        for (const Tile &tile : tiles) {
          for (int group = 0; group < 2; ++group) {
            for (int8_t lane : tile[size_t(16 * group + j)]) {
              bytes += (bytes.empty() ? "" : ", ") + text(lane);
            }
          }
        }
        data += "isa.image \"weights\" \"w\" slice " +
                text(Slice{east, kTileSlice + j}.index()) + " bank 0 words 0, " +
                text(2 * kTiles) + " dense<[" + bytes + "]> : tensor<" +
                text(2 * kTiles * kLanes) + "xi8>\n";
      }
    }
    return data;
  }

  void addRandomChain() {
    int from = int(below(kSlices)), to = int(below(kSlices));
    int count = 1 + int(below(kSlots));
    switch (below(6)) {
    case 0:
      return addUnary(from, 0, to, 0, count, 1 + int(below(99)));
    case 1:
      return addBinary(from, (from + 1 + int(below(kSlices - 1))) % kSlices, to, count);
    case 2:
      return addRunningSum(from, to, count);
    case 3:
      loadRegister(from);
      return addRegister(int(below(kSlices)), to);
    case 4:
      return registerLoaded ? addRegister(from, to) : loadRegister(from);
    default:
      return addProduct(int(below(4)), int(below(kTiles)), from, to);
    }
  }

  /// to[k] = (from[k] ^ 5) + number, through the mesh; a plain copy for 0.
  void addUnary(int from, int first, int to, int target, int count, int number) {
    const Slice &in = kValueSlices[from], &out = kValueSlices[to];
    ChainText chain;
    std::string x = chain.read(in, first, count, kVxm, 0), y;
    std::string flowIn = flow(in.column(), kVxm), flowOut = flow(kVxm, out.column());
    std::string repeat = ChainText::repeat(count, "");
    if (number == 0) {
      y = chain.add("alu", "vxm.*", 0, "op = \"copy\", " + streamA(in) + ", " + drive(out),
                    repeat, x, flowIn, flowOut);
    } else {
      std::string m = chain.add("alu", "vxm.*", 0,
                                "op = \"xor\", " + streamA(in) + ", " + immediate(5),
                                repeat, x, flowIn, "!stream.mesh");
      y = chain.add("alu", "vxm.*", 4,
                    "op = \"add\", a = \"mesh\", " + immediate(number) + ", " + drive(out),
                    repeat, m, "!stream.mesh", flowOut);
    }
    chain.write(y, out, target, count, number == 0 ? 4 : 8);
    chains += chain.finish(newName("unary"));
    if (first == 0 && target == 0) {
      for (int k = 0; k < count; ++k) {
        for (int lane = 0; lane < kLanes; ++lane) {
          values[to][k][lane] = int8_t((values[from][k][lane] ^ 5) + number);
        }
      }
    }
  }

  void addBinary(int a, int b, int to, int count) {
    const Slice &left = kValueSlices[a], &right = kValueSlices[b];
    const Slice &out = kValueSlices[to];
    ChainText chain;
    std::string x = chain.read(left, 0, count, kVxm, 0);
    std::string y = chain.read(right, 0, count, kVxm, 0);
    std::string sum = chain.add(
        "alu", "vxm.*", 0,
        "op = \"sub\", " + streamA(left) + ", b = \"stream\", b_type = \"i8\", b_dir = \"" +
            direction(right.column(), kVxm) + "\", " + drive(out),
        ChainText::repeat(count, ""), x + ", " + y,
        flow(left.column(), kVxm) + ", " + flow(right.column(), kVxm),
        flow(kVxm, out.column()));
    chain.write(sum, out, 0, count, 4);
    chains += chain.finish(newName("binary"));
    for (int k = 0; k < count; ++k) {
      for (int lane = 0; lane < kLanes; ++lane) {
        values[to][k][lane] = int8_t(values[a][k][lane] - values[b][k][lane]);
      }
    }
  }

  /// to[k] = from[0] + ... + from[k], in the register of any free ALU.
  void addRunningSum(int from, int to, int count) {
    const Slice &in = kValueSlices[from], &out = kValueSlices[to];
    ChainText chain;
    std::string x = chain.read(in, 0, count, kVxm, 0);
    std::string y = chain.add(
        "alu", "vxm.*", 0,
        "op = \"acc\", reset = \"outer\", " + streamA(in) + ", " + drive(out),
        ChainText::repeat(count, ""), x, flow(in.column(), kVxm),
        flow(kVxm, out.column()));
    chain.write(y, out, 0, count, 4);
    chains += chain.finish(newName("sum"));
    auto before = values[from];
    for (int lane = 0; lane < kLanes; ++lane) {
      int sum = 0;
      for (int k = 0; k < count; ++k) {
        sum += before[k][lane];
        values[to][k][lane] = int8_t(sum);
      }
    }
  }

  void loadRegister(int from) {
    const Slice &in = kValueSlices[from];
    ChainText chain;
    std::string x = chain.read(in, 1, 1, kVxm, 0);
    chain.add("alu", "vxm.0", 0, "op = \"acc\", reset = \"always\", " + streamA(in), "",
              x, flow(in.column(), kVxm), "");
    chains += chain.finish(newName("load_register"));
    registerValue = values[from][1];
    registerLoaded = true;
  }

  void addRegister(int from, int to) {
    const Slice &in = kValueSlices[from], &out = kValueSlices[to];
    ChainText chain;
    std::string x = chain.read(in, 2, 1, kVxm, 0);
    std::string y = chain.add("alu", "vxm.0", 0,
                              "op = \"add\", " + streamA(in) + ", b = \"register\", " +
                                  drive(out),
                              "", x, flow(in.column(), kVxm), flow(kVxm, out.column()));
    chain.write(y, out, 0, 1, 4);
    chains += chain.finish(newName("add_register"));
    Vector in2 = values[from][2];
    for (int lane = 0; lane < kLanes; ++lane) {
      values[to][0][lane] = int8_t(in2[lane] + registerValue[lane]);
    }
  }

  /// to[1] = low bytes of tile times from[0]: load, pass and emit, a chain each.
  void addProduct(int plane, int tile, int from, int to) {
    bool east = plane >= 2;
    int column = east ? 84 + plane : 1 + plane;
    // Values of the plane's own side flow outwards.
    from = from % 3 + (east ? 3 : 0);
    std::string outward = east ? "east" : "west", inward = east ? "west" : "east";
    std::string queue = "mxm." + text(plane);
    ChainText load;
    std::string rows, types;
    for (int j = 0; j < 16; ++j) {
      rows += (j ? ", " : "") + load.read({east, kTileSlice + j}, 2 * tile, 2, column, 0);
      types += (j ? ", " : "") + ("!stream.flow<" + outward + ", 1>");
    }
    std::string wide = "!stream.flow<" + outward + ", 16>";
    load.addText("%rows = stream.bundle " + rows + " : (" + types + ") -> " + wide + "\n");
    load.add("lw", queue + ".weights", 0, "group = 0, dir = \"" + outward + "\"",
             ChainText::repeat(2, "group"), "%rows", wide, "");
    load.add("iw", queue + ".weights", 2, "", "", "", "", "");
    chains += load.finish(newName("load"));

    ChainText pass;
    std::string x = pass.read(kValueSlices[from], 0, 1, column, 0);
    int accumulator = int(below(2));
    std::string sum = pass.add("abc", queue + ".activations", 0,
                               "dir = \"" + outward + "\", count = 2", "", x,
                               "!stream.flow<" + outward + ", 1>", "!stream.partial");
    pass.add("acc", queue + ".accumulators", 40,
             "mode = \"set\", count = 2, a = " + text(accumulator), "", sum,
             "!stream.partial", "");
    chains += pass.finish(newName("pass"));

    const Slice &out = kValueSlices[to];
    ChainText emit;
    std::string four = "!stream.flow<" + inward + ", 4>";
    std::string z = emit.add("acc", queue + ".accumulators", 0,
                             "emit = \"true\", emit_count = 2, b = " + text(accumulator) +
                                 ", dir = \"" + inward + "\"",
                             "", "", "", four);
    int now = 1 + std::abs(column - kVxm);
    std::string y = emit.add("alu", "vxm.*", now,
                             "op = \"copy\", a = \"stream\", a_type = \"i32\", a_dir = \"" +
                                 inward + "\", " + drive(out),
                             "", z, four, flow(kVxm, out.column()));
    emit.write(y, out, 1, 1, now + 4);
    chains += emit.finish(newName("emit"));
    Vector in = values[from][0];
    for (int lane = 0; lane < kLanes; ++lane) {
      int product = 0;
      for (int row = 0; row < kLanes; ++row) {
        product += int(tiles[tile][row][lane]) * in[row];
      }
      values[to][1][lane] = int8_t(product);
    }
  }

  std::mt19937 random;
  std::array<Tile, kTiles> tiles;
  Vector registerValue = {};
  bool registerLoaded = false;
  int numChains = 0;
  std::string chains;
};

TEST(ScheduledChains, RunAsWritten) {
  double achieved = 0, bound = 0;
  for (uint32_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE("seed " + text(seed));
    RandomProgram random(seed);
    StreamModule module(random.getText());
    ASSERT_TRUE(module.module) << module.errors << random.getText();
    ASSERT_TRUE(module.verifyStream()) << module.errors;
    ASSERT_TRUE(module.schedule()) << module.errors;
    ASSERT_TRUE(module.verifyStream()) << module.errors;
    mlir::stream::ProgramOp scheduled = module.getProgram();
    int64_t cycles = int64_t(*scheduled.getCycles());
    achieved += double(cycles);
    bound += double(*scheduled.getChainBound());
    ASSERT_TRUE(module.convertToISA()) << module.errors;
    mlir::FailureOr<Program> program = exportProgram(*module.module);
    ASSERT_TRUE(mlir::succeeded(program)) << module.errors;
    absl::Status verified = verifyProgram(*program);
    ASSERT_TRUE(verified.ok()) << verified.message();

    auto executor = Executor::create(std::make_shared<const Program>(std::move(*program)));
    ASSERT_TRUE(executor.ok()) << executor.status().message();
    HostTensors inputs;
    for (int s = 0; s < kSlices; ++s) {
      HostTensor &tensor = inputs["x" + text(s)];
      tensor = {I8, {kSlots, kLanes}, {}};
      for (const Vector &value : random.inputs[size_t(s)]) {
        tensor.bytes.insert(tensor.bytes.end(), value.begin(), value.end());
      }
    }
    absl::StatusOr<RunResult> result = executor->run("main", inputs);
    ASSERT_TRUE(result.ok()) << result.status().message();
    EXPECT_EQ(result->statistics.cycles, cycles);
    for (int s = 0; s < kSlices; ++s) {
      std::vector<uint8_t> expected;
      for (const Vector &value : random.values[size_t(s)]) {
        expected.insert(expected.end(), value.begin(), value.end());
      }
      ASSERT_EQ(result->outputs["y" + text(s)].bytes, expected) << "slice " << s;
    }
  }
  RecordProperty("achieved_over_bound", text(int64_t(1000 * achieved / bound)));
}

// The intent is that of the chains' order: a schedule that reads a word before its write
// has no hazard, and is not what was meant.
TEST(ScheduledChains, AnotherOrderIsRejected) {
  auto region = [](const std::string &slice) {
    return "isa.region \"input\" \"x\" of @main slice " + slice + " bank 0 words 0, 1\n" +
           "isa.binding \"input\" \"x" + slice + "\" of @main \"i8\" as \"i8\" shape [32] rows 1 "
           "columns 32 vectors 1 stride 1 planes [" + slice + ", 0, 0]\n";
  };
  auto copy = [](const Slice &from, const Slice &to) {
    ChainText chain;
    std::string in = "!stream.flow<" + direction(from.column(), kVxm) + ", 1>";
    std::string out = "!stream.flow<" + direction(kVxm, to.column()) + ", 1>";
    std::string x = chain.read(from, 0, 1, kVxm, 0);
    std::string y = chain.add("alu", "vxm.*", 0,
                              "op = \"copy\", a = \"stream\", a_type = \"i8\", a_dir = \"" +
                                  direction(from.column(), kVxm) +
                                  "\", out = \"i8\", out_dir = \"" +
                                  direction(kVxm, to.column()) + "\"",
                              "", x, in, out);
    chain.write(y, to, 0, 1, 4);
    return chain.finish("copy");
  };
  const Slice a{false, 0}, b{true, 1}, c{false, 3};
  for (bool swaps : {false, true}) {
    StreamModule module(moduleText(copy(a, b) + copy(b, c), region("0") + region("41")));
    ASSERT_TRUE(module.schedule()) << module.errors;
    auto chains = module.getProgram().getBody().getOps<mlir::stream::ChainOp>();
    mlir::stream::ChainOp first = *chains.begin(), second = *std::next(chains.begin());
    first.setStart(swaps ? 100 : 50);
    second.setStart(swaps ? 50 : 100);
    module.getProgram().setCycles(std::nullopt);
    ASSERT_TRUE(module.convertToISA()) << module.errors;
    mlir::FailureOr<Program> program = exportProgram(*module.module);
    ASSERT_TRUE(mlir::succeeded(program)) << module.errors;
    VerifierReport report = verifyEntry(*program, program->entries.front());
    // The read finds what was there before the write.
    ASSERT_EQ(report.violations.size(), swaps ? 1u : 0u) << report.violations.front().message;
    for (const Violation &violation : report.violations) {
      EXPECT_NE(violation.message.find("mem.e1"), std::string::npos) << violation.message;
      EXPECT_NE(violation.message.find("violates (I3)"), std::string::npos) << violation.message;
    }
  }
}

} // namespace
