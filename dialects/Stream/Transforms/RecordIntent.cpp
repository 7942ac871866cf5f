//===- RecordIntent.cpp - stream-record-intent ----------------------------===//

#include "Effects.h"
#include "LPU/IR/LPUDialect.h"
#include "Stream/Transforms/Passes.h"
#include "lpu/Binary/Meaning.h"

namespace mlir::stream {
#define GEN_PASS_DEF_RECORDINTENTPASS
#include "Stream/Transforms/Passes.h.inc"
} // namespace mlir::stream

using namespace mlir;
using namespace mlir::stream;
namespace meaning = ::lpu::meaning;
using ::lpu::Instruction;
using ::lpu::OperandInfo;
using ::lpu::Repeat;
using ::lpu::Target;

namespace {

/// An issue, decoded once.
struct Issue {
  ParsedIssue *parsed;
  Instruction in;
  std::vector<OperandInfo> operands, results;
  ::lpu::Meaning meaning;
};

/// One of the results that may arrive at a byte of an operand.
struct Arrival {
  const Issue *from;
  uint64_t edge;
  int64_t first; ///< cycle in which that of the first issue is there
};

template <typename Function>
void forEachCycle(const Repeat &repeat, int64_t first, Function function) {
  uint32_t k = 0;
  for (uint32_t i = 0; i < repeat.m; ++i) {
    for (uint32_t j = 0; j < repeat.n; ++j) {
      function(k++, first + int64_t(i) * repeat.e + int64_t(j) * repeat.d);
    }
  }
}

bool haveOneRhythm(const Repeat &a, const Repeat &b) {
  return a.n == b.n && a.m == b.m && (a.n == 1 || a.d == b.d) && (a.m == 1 || a.e == b.e);
}

class Recorder {
public:
  explicit Recorder(const Target &target) : target(target), storage(target) {}

  void add(ParsedChain &chain) {
    issues.clear();
    numbers.clear();
    issues.reserve(chain.issues.size());
    for (ParsedIssue &parsed : chain.issues) {
      numbers[parsed.op] = issues.size();
      Instruction in = parsed.getInstruction();
      uint32_t operation = meaning::getOperation(in);
      issues.push_back({&parsed, std::move(in), {}, {}, {++count, operation, 0}});
      Issue &issue = issues.back();
      issue.operands = ::lpu::getOperands(target, parsed.queue, issue.in);
      issue.results = ::lpu::getResults(target, parsed.queue, issue.in);
    }
    std::vector<meaning::Issue> inOrder;
    for (Issue &issue : issues) {
      addOperands(issue);
      inOrder.push_back({issue.parsed->queue, &issue.in, issue.parsed->getOffset(),
                         issue.parsed->isAnyAlu(), &issue.meaning});
    }
    storage.add(std::move(inOrder));
    for (Issue &issue : issues) {
      issue.parsed->op.setMeaning(issue.meaning);
    }
  }

private:
  void addOperands(Issue &issue) {
    if (issue.in.opcode == ::lpu::Opcode::Activate && issue.in.get("count") == 0 &&
        issue.in.get("mask") == 0) {
      return; // no row takes part: nothing is sampled
    }
    for (auto [info, value] : llvm::zip(issue.operands, issue.parsed->op.getInputs())) {
      SmallVector<Producer> producers = getProducers(value);
      unsigned bytes = info.kind == OperandInfo::Kind::Stream ? info.group.count : 1;
      for (unsigned byte = 0; byte < bytes; ++byte) {
        addByte(issue, info, byte, producers);
      }
    }
  }

  void addByte(Issue &issue, const OperandInfo &info, unsigned byte,
               ArrayRef<Producer> producers) {
    SmallVector<Arrival> arrivals;
    int64_t column = target.column(issue.parsed->queue);
    for (const Producer &producer : producers) {
      const Issue &from = issues[numbers.lookup(producer.issue)];
      // An ALU that drives nothing has the mesh as its only result.
      const OperandInfo &result = from.results[producer.result];
      int fromByte = int(byte) - producer.offset;
      int width = result.kind == OperandInfo::Kind::Stream ? result.group.count : 1;
      if (fromByte >= 0 && fromByte < width) {
        int64_t distance = std::abs(column - int64_t(target.column(from.parsed->queue)));
        arrivals.push_back({&from,
                            meaning::getEdge(info.number, byte, from.meaning.number,
                                             result.number, unsigned(fromByte)),
                            from.parsed->getOffset() + result.offset + distance});
      }
    }
    int64_t first = issue.parsed->getOffset() + info.offset;
    for (const Arrival &arrival : arrivals) {
      if (arrival.first == first && haveOneRhythm(arrival.from->in.repeat, issue.in.repeat)) {
        uint32_t end = issue.in.repeat.n * issue.in.repeat.m;
        for (uint32_t k = 0; k < end; ++k) {
          issue.meaning.sources += meaning::getSample(arrival.edge, k, k);
        }
        return;
      }
    }
    // A merge: the cycles inside of the chain say who feeds which issue.
    llvm::DenseMap<int64_t, std::pair<uint64_t, uint32_t>> byCycle;
    for (const Arrival &arrival : arrivals) {
      forEachCycle(arrival.from->in.repeat, arrival.first, [&](uint32_t k, int64_t cycle) {
        byCycle[cycle] = {arrival.edge, k};
      });
    }
    forEachCycle(issue.in.repeat, first, [&](uint32_t k, int64_t cycle) {
      if (auto it = byCycle.find(cycle); it != byCycle.end()) {
        issue.meaning.sources += meaning::getSample(it->second.first, k, it->second.second);
      }
    });
  }

  const Target &target;
  meaning::Storage storage;
  std::vector<Issue> issues; ///< of the chain
  llvm::DenseMap<Operation *, size_t> numbers;
  uint32_t count = 0; ///< instructions so far
};

struct RecordIntent : mlir::stream::impl::RecordIntentPassBase<RecordIntent> {
  void runOnOperation() override {
    ProgramOp program = getOperation();
    const Target *target = mlir::lpu::getTarget(program);
    FailureOr<std::vector<ParsedChain>> chains = failure();
    if (!target || failed(chains = parseChains(program, *target))) {
      return signalPassFailure();
    }
    Recorder recorder(*target);
    for (ParsedChain &chain : *chains) {
      recorder.add(chain);
    }
  }
};

} // namespace
