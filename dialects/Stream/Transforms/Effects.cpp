//===- Effects.cpp - What instructions read and write ---------------------===//

#include "Effects.h"
#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/MapVector.h"
#include <deque>

using namespace mlir;
using namespace mlir::stream;
using ::lpu::Instruction;
using ::lpu::Opcode;
using ::lpu::QueueId;
using ::lpu::Target;
using ::lpu::scheduling::Dependence;

FailureOr<std::vector<ParsedChain>>
mlir::stream::parseChains(ProgramOp program, const Target &target) {
  std::vector<ParsedChain> chains;
  for (ChainOp chain : program.getBody().getOps<ChainOp>()) {
    chains.push_back({chain, {}});
    for (IssueOp op : chain.getBody().getOps<IssueOp>()) {
      FailureOr<QueueId> queue = stream::getQueue(op, target);
      if (failed(queue)) {
        return failure();
      }
      chains.back().issues.push_back({op, *queue});
    }
    chains.back().issues.shrink_to_fit();
  }
  return chains;
}

SmallVector<unsigned, 2> mlir::stream::getGang(const Target &target,
                                               unsigned plane, int64_t format) {
  const auto *description =
      target.format(::lpu::getEnumName(::lpu::FieldKind::MxmFormat, format));
  unsigned count = description ? description->gang() : 1;
  // Outwards from the lead plane.
  int step = target.planeSide(plane) == ::lpu::Side::West ? -1 : 1;
  SmallVector<unsigned, 2> planes;
  for (unsigned k = 0; k < count; ++k) {
    planes.push_back(unsigned(int(plane) + int(k) * step));
  }
  return planes;
}

bool mlir::stream::usesRegister(const Instruction &instruction,
                                bool &fromOutside) {
  using ::lpu::FieldKind;
  fromOutside = false;
  if (instruction.opcode != Opcode::Alu) {
    return false;
  }
  for (const char *operand : {"a", "b", "c"}) {
    fromOutside |= ::lpu::getEnumName(FieldKind::Operand,
                                      instruction.get(operand)) == "register";
  }
  std::string_view op =
      ::lpu::getEnumName(FieldKind::AluOp, instruction.get("op"));
  bool combines = op == "acc" || op == "accmax";
  fromOutside |= combines && ::lpu::getEnumName(FieldKind::Reset,
                                                instruction.get("reset")) == "never";
  return combines || fromOutside;
}

namespace {

enum class Kind : uint64_t { Word = 1, Buffer, Array, Accumulator, Register };

constexpr unsigned kUnitShift = 32, kKindShift = 56;

Cell getCell(Kind kind, uint64_t unit, uint64_t index) {
  return uint64_t(kind) << kKindShift | unit << kUnitShift | index;
}

/// The effects of one issue under its Repeat.
class Effects {
public:
  Effects(const Target &target, ParsedIssue &issue, const Instruction &in,
          llvm::function_ref<void(const Effect &)> add)
      : target(target), queue(issue.queue), in(in),
        offset(issue.getOffset()), anyAlu(issue.isAnyAlu()), add(add) {}

  void run() {
    switch (in.opcode) {
    case Opcode::Mem:
      addWords("r", "r_bank", "r_addr", "r_len", false);
      addWords("w", "w_bank", "w_addr", "w_len", true);
      break;
    case Opcode::LoadWeights: {
      bool installs = in.get("install") != 0;
      forEachIssue([&](uint32_t, uint32_t j, int64_t cycle) {
        if (installs && j == 0) {
          install(cycle);
        }
        addGang(Kind::Buffer, true, cycle + 1);
      });
      break;
    }
    case Opcode::InstallWeights:
      forEachIssue([&](uint32_t, uint32_t, int64_t cycle) { install(cycle); });
      break;
    case Opcode::Activate:
      forEachIssue([&](uint32_t, uint32_t, int64_t cycle) {
        addGang(Kind::Array, false, cycle);
      });
      break;
    case Opcode::Accumulate:
      accumulate();
      break;
    case Opcode::Alu:
      useRegister();
      break;
    default:
      break;
    }
  }

private:
  template <typename Function> void forEachIssue(Function function) {
    for (uint32_t i = 0; i < in.repeat.m; ++i) {
      for (uint32_t j = 0; j < in.repeat.n; ++j) {
        function(i, j,
                 offset + int64_t(i) * in.repeat.e + int64_t(j) * in.repeat.d);
      }
    }
  }
  unsigned field(std::string_view name) const {
    return unsigned(in.info().fieldIndex(name));
  }

  void addWords(const char *part, const char *bank, const char *addr,
                const char *len, bool isWrite) {
    int64_t access = in.get(part);
    if (access == 0) {
      return;
    }
    int64_t count = access == 2 ? in.get(len) : 1;
    uint64_t unit = queue.index * target.banks() + uint64_t(in.get(bank));
    unsigned word = field(addr);
    forEachIssue([&](uint32_t i, uint32_t j, int64_t cycle) {
      uint64_t first = uint64_t(in.get(word, i, j));
      for (int64_t k = 0; k < count; ++k) {
        add({getCell(Kind::Word, unit, first + uint64_t(k)), isWrite,
             isWrite ? cycle + 1 : cycle});
      }
    });
  }

  void addGang(Kind kind, bool isWrite, int64_t cycle) {
    for (unsigned plane : getGang(target, queue.index, in.get("format"))) {
      add({getCell(kind, plane, 0), isWrite, cycle});
    }
  }

  void install(int64_t cycle) {
    addGang(Kind::Buffer, false, cycle);
    addGang(Kind::Buffer, true, cycle + 1);
    addGang(Kind::Array, true, cycle + target.latencies().mxm_install());
  }

  void accumulate() {
    int64_t mode = in.get("mode");
    bool emits = in.get("emit") != 0;
    unsigned a = field("a"), b = field("b");
    forEachIssue([&](uint32_t i, uint32_t j, int64_t cycle) {
      if (mode != 0) {
        Cell cell = getCell(Kind::Accumulator, queue.index, uint64_t(in.get(a, i, j)));
        if (mode == 2) {
          add({cell, false, cycle});
        }
        add({cell, true, cycle + 1});
      }
      if (emits) {
        add({getCell(Kind::Accumulator, queue.index, uint64_t(in.get(b, i, j))),
             false, cycle});
      }
    });
  }

  void useRegister() {
    bool fromOutside = false;
    if (!usesRegister(in, fromOutside) || anyAlu) {
      return;
    }
    std::string_view op =
        ::lpu::getEnumName(::lpu::FieldKind::AluOp, in.get("op"));
    bool writes = op == "acc" || op == "accmax";
    forEachIssue([&](uint32_t, uint32_t, int64_t cycle) {
      if (fromOutside) {
        add({getCell(Kind::Register, queue.index, 0), false, cycle});
      }
      if (writes) {
        add({getCell(Kind::Register, queue.index, 0), true, cycle + 1});
      }
    });
  }

  const Target &target;
  QueueId queue;
  const Instruction &in;
  int64_t offset;
  bool anyAlu;
  llvm::function_ref<void(const Effect &)> add;
};

/// No cell, chain or reader.
constexpr uint32_t kNone = UINT32_MAX;

/// Words that any chain writes: only these can make one chain wait for another.
class WrittenWords {
public:
  WrittenWords(std::vector<ParsedChain> &chains, const Target &target)
      : target(target), banks(target.numSlices() * target.banks(),
                              llvm::BitVector(target.wordsPerBank())) {
    for (ParsedChain &chain : chains) {
      for (ParsedIssue &issue : chain.issues) {
        if (issue.queue.kind != ::lpu::UnitKind::Mem) {
          continue;
        }
        Instruction in = issue.getInstruction();
        if (in.get("w") == 0) {
          continue;
        }
        forEachEffect(target, issue, in, [&](const Effect &effect) {
          if (effect.isWrite && isInRange(effect.cell)) {
            banks[getBank(effect.cell)].set(getWord(effect.cell));
          }
        });
      }
    }
    numbers.assign(banks.size() * target.wordsPerBank(), kNone);
    for (auto [index, bank] : llvm::enumerate(banks)) {
      for (unsigned word : bank.set_bits()) {
        numbers[index * target.wordsPerBank() + word] = count++;
      }
    }
  }

  size_t size() const { return count; }
  /// The place of a word among the written ones; kNone if no chain writes it.
  uint32_t getNumber(Cell cell) const {
    return isInRange(cell) ? numbers[getBank(cell) * target.wordsPerBank() + getWord(cell)]
                           : kNone;
  }

  /// Whether a read of `issue` could see a written word: quick, for the many
  /// reads of weights.
  bool mayRead(const Instruction &in, QueueId queue) const {
    const llvm::BitVector &bank =
        banks[queue.index * target.banks() + size_t(in.get("r_bank"))];
    unsigned addr = unsigned(in.info().fieldIndex("r_addr"));
    int64_t first = INT64_MAX, last = 0;
    for (uint32_t i : {0u, in.repeat.m - 1}) {
      for (uint32_t j : {0u, in.repeat.n - 1}) {
        first = std::min(first, in.get(addr, i, j));
        last = std::max(last, in.get(addr, i, j));
      }
    }
    last += in.get("r") == 2 ? in.get("r_len") : 1;
    last = std::min<int64_t>(last, bank.size());
    return first >= 0 && first < last &&
           bank.find_first_in(unsigned(first), unsigned(last)) >= 0;
  }

private:
  static size_t getBank(Cell cell) { return cell >> kUnitShift & 0xffffff; }
  static unsigned getWord(Cell cell) { return unsigned(cell); }
  bool isInRange(Cell cell) const {
    return getBank(cell) < banks.size() && getWord(cell) < target.wordsPerBank();
  }

  const Target &target;
  std::vector<llvm::BitVector> banks;
  std::vector<uint32_t> numbers; ///< by bank and word
  uint32_t count = 0;
};

/// First and last access of a cell by one chain, by kind.
struct Access {
  int64_t firstRead = INT64_MAX, lastRead = INT64_MIN;
  int64_t firstWrite = INT64_MAX, lastWrite = INT64_MIN;
  bool reads() const { return lastRead != INT64_MIN; }
  bool writes() const { return lastWrite != INT64_MIN; }

  void add(const Effect &effect) {
    int64_t &first = effect.isWrite ? firstWrite : firstRead;
    int64_t &last = effect.isWrite ? lastWrite : lastRead;
    first = std::min(first, effect.cycle);
    last = std::max(last, effect.cycle);
  }
};

/// Who wrote a cell last, and who read it since.
struct History {
  uint32_t writer = kNone;
  uint32_t firstReader = kNone, lastReader = kNone; ///< a list in `readers`
  int64_t write = 0;
};

struct Reader {
  uint32_t chain, next;
  int64_t read; ///< the last one
};

/// Cells have numbers, for there are many: words that chains write first, then what else
/// they use, as it comes.
class DependenceFinder {
public:
  DependenceFinder(std::vector<ParsedChain> &chains, const Target &target)
      : chains(chains), target(target), written(chains, target), history(written.size()),
        accessOf(written.size(), kNone) {}

  std::vector<Dependence> run() {
    for (ParsedChain &chain : chains) {
      addAccesses(chain);
      for (auto &[cell, access] : accesses) {
        visit(history[cell], access);
        accessOf[cell] = kNone;
      }
      accesses.clear();
      for (auto [from, delay] : delays) {
        dependences.push_back({from, index, delay});
      }
      delays.clear();
      ++index;
    }
    return std::move(dependences);
  }

private:
  void addAccesses(ParsedChain &chain) {
    for (ParsedIssue &issue : chain.issues) {
      Instruction in = issue.getInstruction();
      bool isMem = in.opcode == Opcode::Mem;
      if (isMem && in.get("w") == 0 && !written.mayRead(in, issue.queue)) {
        continue;
      }
      forEachEffect(target, issue, in, [&](const Effect &effect) {
        uint32_t cell = isMem ? written.getNumber(effect.cell) : getNumber(effect.cell);
        if (cell == kNone) {
          return;
        }
        if (accessOf[cell] == kNone) {
          accessOf[cell] = uint32_t(accesses.size());
          accesses.push_back({cell, {}});
        }
        accesses[accessOf[cell]].second.add(effect);
      });
    }
  }

  uint32_t getNumber(Cell cell) {
    auto [it, isNew] = others.insert({cell, uint32_t(history.size())});
    if (isNew) {
      history.emplace_back();
      accessOf.push_back(kNone);
    }
    return it->second;
  }

  /// What the current chain's access of a cell has to wait for.
  void visit(History &past, const Access &access) {
    if (past.writer != kNone) {
      // A chain that reads before it writes depends on the earlier write.
      if (access.reads()) {
        require(past.writer, past.write - access.firstRead);
      }
      if (access.writes()) {
        require(past.writer, past.write + 1 - access.firstWrite);
      }
    }
    if (access.writes()) {
      for (uint32_t k = past.firstReader; k != kNone; k = readers[k].next) {
        require(readers[k].chain, readers[k].read + 1 - access.firstWrite);
      }
      dropReaders(past);
      past.writer = index;
      past.write = access.lastWrite;
    }
    if (access.reads()) {
      addReader(past, access.lastRead);
    }
  }

  void addReader(History &past, int64_t read) {
    uint32_t added = unused;
    if (added == kNone) {
      added = uint32_t(readers.size());
      readers.emplace_back();
    } else {
      unused = readers[added].next;
    }
    readers[added] = {index, kNone, read};
    (past.firstReader == kNone ? past.firstReader : readers[past.lastReader].next) = added;
    past.lastReader = added;
  }

  void dropReaders(History &past) {
    if (past.firstReader != kNone) {
      readers[past.lastReader].next = unused;
      unused = past.firstReader;
      past.firstReader = past.lastReader = kNone;
    }
  }

  void require(uint32_t from, int64_t delay) {
    auto [it, inserted] = delays.insert({from, delay});
    if (!inserted) {
      it->second = std::max(it->second, delay);
    }
  }

  std::vector<ParsedChain> &chains;
  const Target &target;
  WrittenWords written;
  std::vector<History> history; ///< by cell
  llvm::DenseMap<Cell, uint32_t> others;
  std::deque<Reader> readers;
  uint32_t unused = kNone; ///< a list in `readers`
  std::vector<std::pair<uint32_t, Access>> accesses; ///< of this chain
  std::vector<uint32_t> accessOf; ///< by cell; kNone where the chain has none
  llvm::MapVector<uint32_t, int64_t> delays;
  std::vector<Dependence> dependences;
  uint32_t index = 0;
};

} // namespace

void mlir::stream::forEachEffect(const Target &target, ParsedIssue &issue,
                                 const Instruction &in,
                                 llvm::function_ref<void(const Effect &)> add) {
  Effects(target, issue, in, add).run();
}

std::vector<Dependence>
mlir::stream::getDependences(std::vector<ParsedChain> &chains,
                             const Target &target) {
  return DependenceFinder(chains, target).run();
}
