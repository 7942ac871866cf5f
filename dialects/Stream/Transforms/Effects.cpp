//===- Effects.cpp - What instructions read and write ---------------------===//

#include "Effects.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace mlir::stream;
using ::lpu::Instruction;
using ::lpu::Opcode;
using ::lpu::QueueId;
using ::lpu::Target;
using ::lpu::scheduling::Dependence;

namespace {

enum class Kind : uint64_t { Word = 1, Buffer, Array, Accumulator };

Cell getCell(Kind kind, uint64_t unit, uint64_t index) {
  return uint64_t(kind) << 56 | unit << 32 | index;
}
Cell getWord(const Target &target, unsigned slice, uint64_t bank, uint64_t word) {
  return getCell(Kind::Word, slice * target.banks() + bank, word);
}

/// The effects of one issue.
class Issue {
public:
  Issue(const Target &target, QueueId queue, const Instruction &instruction,
        uint32_t i, uint32_t j, int64_t cycle,
        llvm::function_ref<void(const Effect &)> add)
      : target(target), queue(queue), in(instruction), i(i), j(j), cycle(cycle),
        add(add) {}

  void run() {
    switch (in.opcode) {
    case Opcode::Mem:
      words("r", false);
      words("w", true);
      break;
    case Opcode::LoadWeights:
      if (in.get("install") && j == 0) {
        install();
      }
      add({getCell(Kind::Buffer, queue.index, 0), true, cycle + 1});
      break;
    case Opcode::InstallWeights:
      install();
      break;
    case Opcode::Activate:
      add({getCell(Kind::Array, queue.index, 0), false, cycle});
      break;
    case Opcode::Accumulate:
      accumulate();
      break;
    default:
      break;
    }
  }

private:
  int64_t value(std::string_view name) const {
    return in.get(unsigned(in.info().fieldIndex(name)), i, j);
  }

  void words(std::string part, bool isWrite) {
    int64_t access = in.get(part);
    if (access == 0) {
      return;
    }
    int64_t count = access == 2 ? in.get(part + "_len") : 1;
    for (int64_t k = 0; k < count; ++k) {
      Cell cell = getWord(target, queue.index, uint64_t(in.get(part + "_bank")),
                          uint64_t(value(part + "_addr") + k));
      add({cell, isWrite, isWrite ? cycle + 1 : cycle});
    }
  }

  void install() {
    Cell buffer = getCell(Kind::Buffer, queue.index, 0);
    add({buffer, false, cycle});
    add({buffer, true, cycle + 1});
    add({getCell(Kind::Array, queue.index, 0), true,
         cycle + target.latencies().mxm_install()});
  }

  void accumulate() {
    if (int64_t mode = in.get("mode")) {
      Cell cell = getCell(Kind::Accumulator, queue.index, uint64_t(value("a")));
      if (mode == 2) {
        add({cell, false, cycle});
      }
      add({cell, true, cycle + 1});
    }
    if (in.get("emit")) {
      add({getCell(Kind::Accumulator, queue.index, uint64_t(value("b"))), false,
           cycle});
    }
  }

  const Target &target;
  QueueId queue;
  const Instruction &in;
  uint32_t i, j;
  int64_t cycle;
  llvm::function_ref<void(const Effect &)> add;
};

/// First and last access of a cell by one chain, by kind.
struct Access {
  int64_t firstRead = INT64_MAX, lastRead = INT64_MIN;
  int64_t firstWrite = INT64_MAX, lastWrite = INT64_MIN;
  bool reads() const { return lastRead != INT64_MIN; }
  bool writes() const { return lastWrite != INT64_MIN; }
};

/// Who wrote a cell last, and who read it since.
struct History {
  int64_t writer = -1, write = 0;
  SmallVector<std::pair<uint32_t, int64_t>, 2> readers; ///< chain, last read
};

} // namespace

bool mlir::stream::isWord(Cell cell) {
  return Kind(cell >> 56) == Kind::Word;
}

void mlir::stream::forEachEffect(const Target &target, QueueId queue,
                                 const Instruction &instruction, int64_t offset,
                                 llvm::function_ref<void(const Effect &)> add) {
  const ::lpu::Repeat &repeat = instruction.repeat;
  for (uint32_t i = 0; i < repeat.m; ++i) {
    for (uint32_t j = 0; j < repeat.n; ++j) {
      Issue(target, queue, instruction, i, j,
            offset + int64_t(i) * repeat.e + int64_t(j) * repeat.d, add)
          .run();
    }
  }
}

/// Words that any chain writes: only these can make one chain wait for another.
static llvm::DenseSet<Cell> getWrittenWords(ProgramOp program,
                                            const Target &target) {
  llvm::DenseSet<Cell> words;
  program.walk([&](IssueOp op) {
    if (op.getMnemonic() == "mem" && op.getFields().contains("w")) {
      forEachEffect(target, *stream::getQueue(op, target), *getInstruction(op), 0,
                    [&](const Effect &effect) {
                      if (effect.isWrite) {
                        words.insert(effect.cell);
                      }
                    });
    }
  });
  return words;
}

FailureOr<std::vector<Dependence>>
mlir::stream::getDependences(ProgramOp program, const Target &target) {
  llvm::DenseSet<Cell> written = getWrittenWords(program, target);
  llvm::DenseMap<Cell, History> history;
  std::vector<Dependence> dependences;
  uint32_t index = 0;
  for (ChainOp chain : program.getBody().getOps<ChainOp>()) {
    llvm::MapVector<Cell, Access> accesses;
    for (IssueOp op : chain.getBody().getOps<IssueOp>()) {
      forEachEffect(target, *stream::getQueue(op, target), *getInstruction(op),
                    int64_t(op.getOffset()), [&](const Effect &effect) {
                      if (isWord(effect.cell) && !written.contains(effect.cell)) {
                        return;
                      }
                      Access &access = accesses[effect.cell];
                      int64_t &first = effect.isWrite ? access.firstWrite
                                                      : access.firstRead;
                      int64_t &last =
                          effect.isWrite ? access.lastWrite : access.lastRead;
                      first = std::min(first, effect.cycle);
                      last = std::max(last, effect.cycle);
                    });
    }
    llvm::MapVector<uint32_t, int64_t> delays;
    auto require = [&](uint32_t from, int64_t delay) {
      auto [it, inserted] = delays.insert({from, delay});
      if (!inserted) {
        it->second = std::max(it->second, delay);
      }
    };
    for (auto &[cell, access] : accesses) {
      History &past = history[cell];
      if (past.writer >= 0) {
        // A chain that reads before it writes depends on the earlier write.
        if (access.reads()) {
          require(uint32_t(past.writer), past.write - access.firstRead);
        }
        if (access.writes()) {
          require(uint32_t(past.writer), past.write + 1 - access.firstWrite);
        }
      }
      if (access.writes()) {
        for (auto [reader, read] : past.readers) {
          require(reader, read + 1 - access.firstWrite);
        }
        past.readers.clear();
        past.writer = index;
        past.write = access.lastWrite;
      }
      // A read after the chain's own last write sees that; kept for later writes.
      if (access.reads()) {
        past.readers.push_back({index, access.lastRead});
      }
    }
    for (auto [from, delay] : delays) {
      dependences.push_back({from, index, delay});
    }
    ++index;
  }
  return dependences;
}
