//===- Statistics.cpp - What lpu-compile reports of a program -------------===//

#include "Statistics.h"
#include "ISA/IR/ISADialect.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/BitVector.h"
#include "llvm/ADT/StringExtras.h"
#include <map>
#include <sys/resource.h>

namespace json = llvm::json;
using namespace lpu;

namespace {

/// Words in use, by kind of region and together. Entries run one at a time and
/// may use the same words: these count once.
class MemoryUse {
public:
  explicit MemoryUse(const Target &target)
      : target(target), all(unsigned(target.sramBytes() / target.lanes())) {}

  void add(const ImageRegion &region) {
    llvm::BitVector &kind =
        kinds.try_emplace(llvm::StringRef(RegionKind_Name(region.kind())).lower(), all.size())
            .first->second;
    const WordRange &words = region.words();
    unsigned first =
        (words.slice() * target.banks() + words.bank()) * target.wordsPerBank() + words.first();
    kind.set(first, first + words.count());
    all.set(first, first + words.count());
  }

  json::Object getJson() const {
    json::Object byKind;
    for (const auto &[name, words] : kinds) {
      byKind[name] = int64_t(words.count()) * target.lanes();
    }
    return json::Object{{"capacity", target.sramBytes()},
                        {"used", int64_t(all.count()) * target.lanes()},
                        {"by_kind", std::move(byKind)}};
  }

private:
  const Target &target;
  llvm::BitVector all;
  std::map<std::string, llvm::BitVector> kinds;
};

/// Mean issues a cycle and queue of every unit that works, 0 to 1.
json::Object getUtilization(const Target &target, const EntryProgram &entry) {
  std::map<UnitKind, uint64_t> issues;
  for (const QueueStream &queue : entry.queues) {
    for (const TimedInstruction &timed : queue.instructions) {
      const Repeat &repeat = timed.instruction.repeat;
      issues[queue.queue.kind] += uint64_t(repeat.n) * repeat.m;
    }
  }
  json::Object result;
  for (auto [kind, count] : issues) {
    uint64_t queues = 0;
    for (unsigned q = 0; q < target.numQueues(); ++q) {
      queues += target.queue(q).kind == kind;
    }
    result[llvm::StringRef(getUnitKindName(kind))] =
        double(count) / (double(queues) * double(std::max<uint64_t>(1, entry.header.cycles())));
  }
  return result;
}

json::Array getLayers(mlir::Operation *entry) {
  json::Array layers;
  auto attribute = entry ? entry->getAttrOfType<mlir::ArrayAttr>(
                               mlir::lpuisa::ISADialect::kLayersAttr)
                         : mlir::ArrayAttr();
  if (!attribute) {
    return layers;
  }
  for (mlir::Attribute layer : attribute) {
    auto fields = llvm::cast<mlir::DictionaryAttr>(layer);
    json::Object result{{"name", fields.getAs<mlir::StringAttr>("name").getValue()}};
    for (llvm::StringRef name : {"start", "cycles", "chain_bound", "lower_bound"}) {
      if (auto number = fields.getAs<mlir::IntegerAttr>(name)) {
        result[name] = number.getInt();
      }
    }
    layers.push_back(std::move(result));
  }
  return layers;
}

json::Object getCompile(const StageTimes &stages) {
  json::Array list;
  double total = 0;
  for (const auto &[name, seconds] : stages) {
    list.push_back(json::Object{{"name", name}, {"seconds", seconds}});
    total += seconds;
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return json::Object{{"seconds", total},
                      {"peak_rss_bytes", int64_t(usage.ru_maxrss) * 1024},
                      {"stages", std::move(list)}};
}

} // namespace

json::Object lpu::getEntryStatistics(const Target &target, const EntryProgram &entry,
                                     const EncodedEntry &encoded, mlir::Operation *op) {
  int64_t instructions = 0, bytes = 0;
  for (const EncodedEntry::Queue &queue : encoded.queues) {
    instructions += queue.instructions;
    bytes += int64_t(queue.bytes.size());
  }
  double bound = double(entry.header.lower_bound());
  auto known = llvm::dyn_cast_or_null<mlir::lpuisa::EntryOp>(op);
  uint64_t chainBound = known ? known.getChainBound().value_or(0) : 0;
  return json::Object{{"cycles", entry.header.cycles()},
                      {"lower_bound", entry.header.lower_bound()},
                      {"chain_bound", int64_t(chainBound)},
                      {"ratio", bound > 0 ? double(entry.header.cycles()) / bound : 0},
                      {"instructions", instructions},
                      {"instruction_bytes", bytes},
                      {"utilization", getUtilization(target, entry)},
                      {"layers", getLayers(op)}};
}

json::Object lpu::getStatistics(const Program &program, json::Object entries,
                                const StageTimes &stages) {
  MemoryUse memory(program.target);
  for (const ImageBytes &image : program.image) {
    memory.add(image.region);
  }
  for (const EntryProgram &entry : program.entries) {
    for (const ImageRegion &region : entry.header.scratch()) {
      memory.add(region);
    }
  }
  return json::Object{{"target", llvm::StringRef(program.target.name())},
                      {"chips", 1},
                      {"entries", std::move(entries)},
                      {"sram", memory.getJson()},
                      {"compile", getCompile(stages)}};
}
