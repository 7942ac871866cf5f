//===- CycleBoundTest.cpp - The bound against every schedule --------------===//

#include "ISA/IR/ISADialect.h"
#include "LPU/Analysis/CycleBound.h"
#include "LPU/Analysis/WorkBound.h"
#include "LPU/IR/LPUDialect.h"
#include "LPU/Transforms/Passes.h"
#include "Stream/Transforms/Problem.h"
#include "lpu/Conversion/Passes.h"
#include "lpu/Scheduling/Algorithms.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/StringExtras.h"
#include <gtest/gtest.h>

using namespace mlir;
using namespace ::lpu::scheduling;

namespace {

TEST(WorkBound, TakesTheWorstSetOfUses) {
  using mlir::lpu::getWorkBound;
  EXPECT_EQ(getWorkBound({}, 4), 0);
  // 10 units, 4 a cycle: cycles 5, 6, 7, and 20 after the last.
  EXPECT_EQ(getWorkBound({{5, 10, 20}}, 4), 5 + 3 - 1 + 20);
  // Late work with a short tail, early work with a long one, both together.
  EXPECT_EQ(getWorkBound({{50, 8, 1}, {0, 8, 60}}, 1), 0 + 8 - 1 + 60);
  EXPECT_EQ(getWorkBound({{50, 80, 1}, {0, 8, 60}}, 1), 50 + 80 - 1 + 1);
  EXPECT_EQ(getWorkBound({{5, 30, 10}, {4, 30, 12}}, 1), 4 + 60 - 1 + 10);
  // Some of the work may be done before.
  EXPECT_EQ(getWorkBound({{5, 10, 20}}, 1, 8), 5 + 2 - 1 + 20);
  EXPECT_EQ(getWorkBound({{5, 10, 20}}, 1, 10), 0);
}

/// The fewest cycles of chains in any order, streams and ALUs without limit: every
/// start of every chain is tried that could beat what was found.
class Search {
public:
  Search(const ChainProblem &problem, int64_t limit) : problem(problem), best(limit) {
    tails.resize(problem.chains.size());
    for (size_t c = tails.size(); c-- > 0;) {
      tails[c] = problem.chains[c].getLength();
      for (const Dependence &dependence : problem.dependences) {
        if (dependence.from == c) {
          tails[c] = std::max(tails[c], dependence.delay + tails[dependence.to]);
        }
      }
    }
  }

  int64_t run() {
    extend();
    return best;
  }
  int64_t steps = 0;

private:
  void extend() {
    size_t c = starts.size();
    if (c == problem.chains.size()) {
      best = 0;
      for (size_t k = 0; k < c; ++k) {
        best = std::max(best, starts[k] + problem.chains[k].getLength());
      }
      return;
    }
    int64_t earliest = 0;
    for (const Dependence &dependence : problem.dependences) {
      if (dependence.to == c) {
        earliest = std::max(earliest, starts[dependence.from] + dependence.delay);
      }
    }
    for (int64_t start = earliest; start + tails[c] < best; ++start, ++steps) {
      starts.push_back(start);
      if (isFree(c)) {
        extend();
      }
      starts.pop_back();
    }
  }
  bool isFree(size_t c) const {
    for (const ChainIssue &issue : problem.chains[c].issues) {
      for (size_t k = 0; k < c; ++k) {
        for (const ChainIssue &other : problem.chains[k].issues) {
          if (issue.queue != kAnyAlu && issue.queue == other.queue &&
              starts[c] + issue.cycles.offset <= starts[k] + other.cycles.last() &&
              starts[k] + other.cycles.offset <= starts[c] + issue.cycles.last()) {
            return false;
          }
        }
      }
    }
    return true;
  }

  const ChainProblem &problem;
  std::vector<int64_t> starts, tails;
  int64_t best;
};

/// An entry from its text to chains.
class Model {
public:
  Model(const std::string &body, unsigned limbs) {
    context.disableMultithreading();
    context.loadDialect<func::FuncDialect, linalg::LinalgDialect, tensor::TensorDialect,
                        arith::ArithDialect, math::MathDialect, mlir::lpu::LPUDialect,
                        stream::StreamDialect, lpuisa::ISADialect>();
    module = parseSourceString<ModuleOp>(
        "module attributes {lpu.target = \"tiny\"} {\n" + body + "}\n", &context);
    PassManager passes(&context);
    passes.addNestedPass<func::FuncOp>(mlir::lpu::createBoundCyclesPass({limbs, false}));
    passes.addPass(::lpu::createTensorToKernelPass({limbs, 4.0f}));
    passes.addNestedPass<func::FuncOp>(mlir::lpu::createFuseMapsPass());
    passes.addPass(mlir::lpu::createPlaceBuffersPass());
    passes.addPass(::lpu::createLPUToStreamPass());
    isLowered = module && succeeded(passes.run(*module));
  }
  stream::ProgramOp getProgram() { return *module->getOps<stream::ProgramOp>().begin(); }

  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  bool isLowered = false;
};

std::string type(int64_t rows, int64_t columns) {
  return "tensor<" + std::to_string(rows) + "x" + std::to_string(columns) + "xf32>";
}

/// y = x W, and y = tanh(x W) W2 with `second`.
std::string products(int64_t rows, int64_t k, int64_t n, int64_t second = 0) {
  auto matrix = [](const std::string &name, int64_t height, int64_t width) {
    SmallVector<std::string> lines;
    for (int64_t r = 0; r < height; ++r) {
      SmallVector<std::string> line;
      for (int64_t c = 0; c < width; ++c) {
        line.push_back(std::to_string((r * 7 + c * 3) % 11 - 5) + ".0");
      }
      lines.push_back("[" + llvm::join(line, ",") + "]");
    }
    std::string of = type(height, width);
    return "  %" + name + " = lpu.weight \"" + name + "\" dense<[" + llvm::join(lines, ",") +
           "]> : " + of + " {int8_axis = 1 : i64} : " + of + "\n";
  };
  auto product = [&](const std::string &result, const std::string &x, int64_t from, int64_t to,
                     const std::string &w) {
    return "  %" + result + "e = tensor.empty() : " + type(rows, to) + "\n  %" + result +
           "f = linalg.fill ins(%zero : f32) outs(%" + result + "e : " + type(rows, to) +
           ") -> " + type(rows, to) + "\n  %" + result + " = linalg.matmul ins(%" + x + ", %" + w +
           " : " + type(rows, from) + ", " + type(from, to) + ") outs(%" + result + "f : " +
           type(rows, to) + ") -> " + type(rows, to) + "\n";
  };
  std::string y = type(rows, second ? second : n), h = type(rows, n);
  std::string text = "func.func @main(%x: " + type(rows, k) + " {lpu.name = \"x\"}) -> (" + y +
                     " {lpu.name = \"y\"}) {\n  %zero = arith.constant 0.0 : f32\n" +
                     matrix("w", k, n) + product("p", "x", k, n, "w");
  if (second) {
    std::string map = "affine_map<(r, c) -> (r, c)>";
    text += "  %te = tensor.empty() : " + h + "\n  %t = linalg.generic {indexing_maps = [" + map +
            ", " + map + "], iterator_types = [\"parallel\", \"parallel\"]} ins(%p : " + h +
            ") outs(%te : " + h + ") {\n  ^bb0(%a: f32, %o: f32):\n    %b = math.tanh %a : f32\n"
            "    linalg.yield %b : f32\n  } -> " + h + "\n" +
            matrix("w2", n, second) + product("q", "t", n, second, "w2");
  }
  return text + "  return %" + (second ? "q" : "p") + " : " + y + "\n}\n";
}

struct Case {
  int64_t rows, k, n, second;
  unsigned limbs;
  int64_t bound; ///< by hand
};

TEST(CycleBound, NeverAboveTheBestScheduleOfTheChains) {
  // tiny: the VXM is 42 columns from a plane. 9 to load four bytes, f2i 4, 42, 40, 1, 42,
  // i2f and mul 8, 3 to store: 149; with a tanh and a second product 8 + 4 + 42 + 83 + 8
  // more. One or three limbs, one tile or four: the same work fits into a cycle.
  const Case cases[] = {{1, 16, 16, 0, 1, 149}, {1, 16, 16, 0, 3, 149}, {1, 32, 32, 0, 1, 149}, {1, 64, 16, 0, 3, 149},
                        {2, 16, 16, 0, 1, 149}, {1, 16, 16, 16, 1, 294}};
  for (const Case &of : cases) {
    SCOPED_TRACE(testing::Message() << of.rows << "x" << of.k << "x" << of.n << "x" << of.second
                                    << ", limbs " << of.limbs);
    Model model(products(of.rows, of.k, of.n, of.second), of.limbs);
    ASSERT_TRUE(model.isLowered);
    stream::ProgramOp program = model.getProgram();
    int64_t bound = int64_t(program.getLowerBound().value_or(0));
    EXPECT_EQ(bound, of.bound);
    FailureOr<stream::ProgramProblem> chains =
        stream::ProgramProblem::create(program, *::lpu::Target::lookup("tiny"));
    ASSERT_TRUE(succeeded(chains));
    const ChainProblem &problem = chains->get();
    auto good = scheduleByCriticalPath(problem);
    ASSERT_TRUE(good.ok());
    // A schedule that is bad on purpose, for the search to start from.
    std::vector<int64_t> last(problem.chains.size());
    for (size_t c = 0; c < last.size(); ++c) {
      last[c] = int64_t(c);
    }
    auto bad = scheduleByPriority(problem, last);
    ASSERT_TRUE(bad.ok());
    Search search(problem, bad->cycles + 1);
    int64_t best = search.run();
    EXPECT_LE(bound, best);
    EXPECT_LE(best, std::min(good->cycles, bad->cycles));
    EXPECT_GT(search.steps, 0);
  }
}

TEST(CycleBound, CountsWork) {
  // 4 planes of 1,024 products a cycle: 2,048 rows of 32 x 32 with three limbs are 1,536
  // cycles of passes; the first at 9 + 4 + 42, 94 after the last.
  Model model(products(2048, 32, 32), 3);
  ASSERT_TRUE(model.module);
  EXPECT_FALSE(model.isLowered); // too large for tiny: the bound is there all the same
  auto entry = *model.module->getOps<func::FuncOp>().begin();
  EXPECT_EQ(entry->getAttrOfType<IntegerAttr>(mlir::lpu::LPUDialect::kLowerBoundAttr).getInt(),
            55 + 1536 - 1 + 94);
}

} // namespace
