//===- Memory.cpp - Words of SRAM -----------------------------------------===//

#include "Issues.h"
#include "lpu/Binary/Bindings.h"
#include "lpu/Support/Elements.h"

using namespace lpu;
using namespace lpu::verifier;

namespace {

/// Words of a tensor that the host writes or reads, between rows none.
void forEachBoundWord(const TensorBinding &binding, auto function) {
  uint64_t rows = binding.has_layout() ? 1 : binding.rows();
  uint64_t words = binding.has_layout() ? countWords(binding) : binding.vectors();
  for (uint64_t row = 0; row < rows; ++row) {
    for (uint64_t word = 0; word < words; ++word) {
      function(row * binding.row_stride() + word);
    }
  }
}

enum : uint8_t { kUnwritten = 0, kWritten = 1, kConstant = 2 };

} // namespace

namespace lpu::verifier {

/// What is known of every word. A Scatter may or may not write a word of its
/// window: it proves nothing written.
class Words {
public:
  explicit Words(const Target &target)
      : target(target),
        states(size_t(target.numSlices()) * target.banks() * target.wordsPerBank()),
        contents(size_t(target.numSlices()) * target.banks()) {}

  uint8_t &at(unsigned slice, int64_t bank, int64_t word) {
    return states[(size_t(slice) * target.banks() + size_t(bank)) *
                      target.wordsPerBank() +
                  size_t(word)];
  }
  /// Digest of who put what into a window; then `stored` does, unless it is 0.
  uint64_t exchange(unsigned slice, int64_t bank, int64_t first, int64_t count, uint64_t stored) {
    size_t unit = size_t(slice) * target.banks() + size_t(bank);
    std::vector<uint64_t> &words = contents[unit];
    if (stored != 0) {
      words.resize(target.wordsPerBank());
    }
    uint64_t initial = meaning::getInitial(meaning::Cell::Word, unit, uint64_t(first)), sum = 0;
    for (int64_t part = 0; part < count; ++part) {
      uint64_t step = uint64_t(part) * meaning::kWordStep;
      uint64_t known = words.empty() ? 0 : words[size_t(first + part)];
      sum += meaning::getPart(unsigned(part), known ? known : initial + step);
      if (stored != 0) {
        words[size_t(first + part)] = stored + step;
      }
    }
    return sum;
  }
  void set(const WordRange &range, uint8_t state) {
    for (uint32_t k = 0; k < range.count(); ++k) {
      at(range.slice(), range.bank(), range.first() + k) = state;
    }
  }

private:
  const Target &target;
  std::vector<uint8_t> states;
  std::vector<std::vector<uint64_t>> contents; ///< of banks that are written; 0 for initial ones
};

} // namespace lpu::verifier

void EntryVerifier::checkBindings() {
  enum : uint8_t { kDeclared = 1, kInput = 2, kOutput = 4, kState = 8, kFromHost = 16, kToHost = 32 };
  const Entry &header = entry.header;
  std::vector<uint8_t> states(size_t(target.numSlices()) * target.banks() * target.wordsPerBank());
  auto forEachWord = [&](const WordRange &range, auto function) {
    size_t bank = size_t(range.slice()) * target.banks() + range.bank();
    for (uint32_t k = 0; k < range.count(); ++k) {
      function(states[bank * target.wordsPerBank() + range.first() + k], range.first() + k);
    }
  };
  auto reportWord = [&](const WordRange &range, uint32_t word, const std::string &what) {
    violations.push_back(
        {INT64_MAX,
         absl::StrCat("entry ", header.name(), ": ", what, ": word ", word, " of bank ",
                      range.bank(), " of ",
                      target.queueName({UnitKind::Mem, uint16_t(range.slice())}))});
    absl::StrAppend(&violations.back().message, "; violates (H1)");
  };
  auto isInput = [](RegionKind kind) { return kind == INPUT || kind == DERIVED; };
  for (const ImageBytes &image : program.image) {
    uint8_t kind = image.region.kind() == STATE ? kDeclared | kState : kDeclared;
    forEachWord(image.region.words(), [&](uint8_t &state, uint32_t) { state = kind; });
  }
  for (const ImageRegion &region : header.scratch()) {
    uint8_t kind = isInput(region.kind()) ? kInput : region.kind() == OUTPUT ? kOutput : 0;
    forEachWord(region.words(), [&](uint8_t &state, uint32_t) { state = kDeclared | kind; });
  }
  auto bindWords = [&](const std::string &name, const BytePlane &first, uint32_t count,
                       bool isWritten) {
    uint8_t kinds = isWritten ? kInput | kState : kDeclared;
    WordRange range;
    range.set_slice(first.slice());
    range.set_bank(first.bank());
    range.set_first(first.first());
    range.set_count(count);
    forEachWord(range, [&](uint8_t &state, uint32_t word) {
      if ((state & kinds) == 0) {
        reportWord(range, word, absl::StrCat("'", name, "' is in words declared otherwise"));
      } else if (isWritten && (state & kFromHost)) {
        reportWord(range, word, absl::StrCat("'", name, "' is where another input is"));
      }
      state |= isWritten ? kFromHost : kToHost;
    });
  };
  auto bind = [&](const TensorBinding &binding, bool isWritten) {
    for (unsigned byte = 0; byte < elementBytes(binding.stored_as()); ++byte) {
      forEachBoundWord(binding, [&](uint64_t word) {
        bindWords(binding.name(), locateWord(binding, byte, word), 1, isWritten);
      });
    }
  };
  for (const TensorBinding &input : header.inputs()) {
    bind(input, true);
  }
  for (const DerivedInput &input : header.derived_inputs()) {
    for (BytePlane plane : input.byte_planes()) {
      for (uint32_t row = 0; row < input.rows(); ++row) {
        bindWords(input.name(), plane, 1, true);
        plane.set_first(plane.first() + input.row_stride());
      }
    }
  }
  for (const TensorBinding &output : header.outputs()) {
    bind(output, false);
  }
  for (const ImageRegion &region : header.scratch()) {
    uint8_t use = isInput(region.kind()) ? kFromHost : region.kind() == OUTPUT ? kToHost : 0;
    forEachWord(region.words(), [&](uint8_t &state, uint32_t word) {
      if (use != 0 && !(state & use)) {
        reportWord(region.words(), word,
                   absl::StrCat("region \"", region.label(), "\" has words of no tensor"));
      }
    });
  }
}

void EntryVerifier::checkParts(const Placed &p) {
  const Instruction &in = p.in();
  if (in.get("r") && in.get("w") && in.get("r_bank") == in.get("w_bank")) {
    forEachIssue(p, [&](const Issue &issue) {
      report(issue, absl::StrCat("read and write part both in bank ", in.get("r_bank")), "M3");
    });
  }
  if (!in.get("r") && !in.get("w")) {
    forEachIssue(p, [&](const Issue &issue) {
      report(issue, "neither a read nor a write part", "M1");
    });
  }
}

void EntryVerifier::checkAccesses(const Placed &p, bool isWrite, Words &words) {
  const Instruction &in = p.in();
  int64_t access = in.get(isWrite ? "w" : "r");
  if (access == 0) {
    return;
  }
  unsigned addr = unsigned(in.info().fieldIndex(isWrite ? "w_addr" : "r_addr"));
  int64_t bank = in.get(isWrite ? "w_bank" : "r_bank");
  int64_t count = access == 2 ? in.get(isWrite ? "w_len" : "r_len") : 1;
  forEachIssue(p, [&](const Issue &issue) {
    int64_t first = in.get(addr, issue.i, issue.j);
    if (first < 0 || first + count > int64_t(target.wordsPerBank()) ||
        bank >= int64_t(target.banks())) {
      report(issue, absl::StrCat("words ", first, " to ", first + count - 1, " of bank ", bank,
                                 ", the bank has ", target.wordsPerBank()),
             access == 2 ? "M6" : "M7");
      return;
    }
    for (int64_t word = first; word < first + count; ++word) {
      uint8_t &state = words.at(p.queue.index, bank, word);
      if (!isWrite && state == kUnwritten) {
        report(issue,
               absl::StrCat("read of word ", word, " of bank ", bank, ", which nobody wrote"),
               "M8");
      } else if (isWrite && state == kConstant) {
        report(issue,
               absl::StrCat("write to word ", word, " of bank ", bank, ", which holds weights"),
               "M9");
      } else if (isWrite && access == 1) {
        state = kWritten;
      }
    }
    uint64_t stored = isWrite ? meaning::getStored(p.number, issue.ordinal()) : 0;
    addAccess(p, isWrite ? meaning::Place::OldWord : meaning::Place::Word, 0, issue.ordinal(),
              words.exchange(p.queue.index, bank, first, count, stored));
  });
}

void EntryVerifier::checkMemory() {
  checkBindings();
  Words words(target);
  for (const ImageBytes &image : program.image) {
    words.set(image.region.words(),
              image.region.kind() == WEIGHTS ? kConstant : kWritten);
  }
  for (const ImageRegion &region : entry.header.scratch()) {
    if (region.kind() == INPUT || region.kind() == DERIVED) {
      words.set(region.words(), kWritten);
    }
  }
  // A queue issues at most once a cycle and its two parts are in different
  // banks: their order is the order of accesses of every word.
  forEachPlaced(UnitKind::Mem, [&](const Placed &p) {
    if (p.in().opcode == Opcode::Mem) {
      checkParts(p);
      checkAccesses(p, false, words);
      checkAccesses(p, true, words);
    }
  });
  for (const TensorBinding &output : entry.header.outputs()) {
    for (unsigned byte = 0; byte < elementBytes(output.stored_as()); ++byte) {
      auto check = [&](uint64_t number) {
        BytePlane word = locateWord(output, byte, number);
        if (words.at(word.slice(), word.bank(), word.first()) == kUnwritten) {
          violations.push_back(
              {INT64_MAX, absl::StrCat("entry ", entry.header.name(), ": output '",
                                       output.name(), "': word ", word.first(), " of bank ",
                                       word.bank(), " of ",
                                       target.queueName({UnitKind::Mem, uint16_t(word.slice())}),
                                       " is never written; violates (H2)")});
        }
      };
      // Of a layout, words without elements are nobody's.
      if (output.has_layout()) {
        forEachRun(output, target.lanes(), [&](const ElementRun &run) { check(run.word); });
      } else {
        forEachBoundWord(output, check);
      }
    }
  }
}
