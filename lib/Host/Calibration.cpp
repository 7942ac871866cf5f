//===- Calibration.cpp - Ranges of activations ----------------------------===//

#include "lpu/Host/Calibration.h"
#include "LPU/IR/LPUDialect.h"
#include "LPU/IR/LPUTensorOps.h"
#include "lpu/Host/Host.h"
#include <cstring>

using namespace mlir;

namespace lpu::host {
namespace {

/// Integers of an input, written as its type has them.
void setIntegers(NpyArray &array, llvm::function_ref<int64_t(int64_t)> valueAt) {
  unsigned size = array.elementBytes();
  for (int64_t i = 0, e = int64_t(array.bytes.size() / size); i < e; ++i) {
    int64_t value = valueAt(i);
    std::memcpy(array.bytes.data() + size_t(i) * size, &value, size);
  }
}

int64_t getInteger(const NpyArray &array, int64_t index) {
  unsigned size = array.elementBytes();
  int64_t value = 0;
  const uint8_t *data = array.bytes.data() + size_t(index) * size;
  if (size == 4) {
    int32_t narrow;
    std::memcpy(&narrow, data, size);
    return narrow;
  }
  std::memcpy(&value, data, size);
  return value;
}

/// Splitmix64: the same tokens on every host.
class Random {
public:
  int64_t below(int64_t limit) {
    uint64_t z = (state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return int64_t((z ^ (z >> 31)) % uint64_t(limit));
  }

private:
  uint64_t state = 0;
};

class EntryRunner {
public:
  /// `onRun` is called after every run with the share of all runs.
  EntryRunner(func::FuncOp entry, const CalibrationOptions &options, Observations &observations,
              std::function<void(double)> onRun)
      : entry(entry), options(options), observations(observations), onRun(std::move(onRun)) {}

  LogicalResult run() {
    info = analyzeSequence(entry);
    auto compiled = Program::compile(entry);
    if (failed(compiled)) {
      return failure();
    }
    program = std::move(*compiled);
    reset();
    if (failed(checkArrays())) {
      return failure();
    }
    return hasTokens() && !given(tokenInput) ? runBuiltIn() : runGiven();
  }

private:
  bool hasTokens() const { return tokenInput >= 0; }
  const NpyArray *given(int64_t input) const {
    auto found = options.arrays.find(program->inputs()[size_t(input)].name);
    return found == options.arrays.end() ? nullptr : &found->second;
  }
  int64_t numRuns(int64_t input) const {
    const NpyArray *array = given(input);
    const Port &port = program->inputs()[size_t(input)];
    if (!array) {
      return 0;
    }
    if (input == tokenInput) {
      return array->shape.empty() ? 0 : array->shape.back() / info.tokensPerRun;
    }
    return int64_t(array->shape.size()) == port.type.getRank() ? 1 : array->shape.front();
  }

  LogicalResult checkArrays() {
    for (auto [index, port] : llvm::enumerate(program->inputs())) {
      const InputRole &role = info.inputs[index];
      if (role.kind == InputRole::Token) {
        tokenInput = int64_t(index);
      }
      const NpyArray *array = given(int64_t(index));
      if (!array) {
        if (role.kind == InputRole::Data) {
          return entry.emitError("calibration: expected values of input '")
                 << port.name << "': give them in --calibration=FILE.npz";
        }
        continue;
      }
      if (role.kind == InputRole::Token ? failed(checkTokens(port, role, *array))
                                        : failed(checkArray(port, *array))) {
        return failure();
      }
    }
    return success();
  }

  LogicalResult checkTokens(const Port &port, const InputRole &role, const NpyArray &array) {
    int64_t batch = port.type.getNumElements() / info.tokensPerRun;
    bool integers = array.descr == "<i4" || array.descr == "<i8";
    if (!integers || array.shape.empty() || array.shape.back() < info.tokensPerRun ||
        array.numElements() != batch * array.shape.back()) {
      return entry.emitError("calibration: expected ")
             << batch << " sequences of at least " << info.tokensPerRun
             << " tokens, int32 or int64, for input '" << port.name << "'";
    }
    for (int64_t i = 0, e = array.numElements(); i < e; ++i) {
      int64_t token = getInteger(array, i);
      if (token < 0 || token >= role.size) {
        return entry.emitError("calibration: input '")
               << port.name << "': expected tokens below " << role.size << ", got " << token;
      }
    }
    return success();
  }

  LogicalResult checkArray(const Port &port, const NpyArray &array) {
    ArrayRef<int64_t> shape(array.shape);
    bool hasRuns = int64_t(shape.size()) == port.type.getRank() + 1;
    if (array.descr != getDescr(port.type.getElementType()) ||
        shape.drop_front(hasRuns ? 1 : 0) != port.type.getShape()) {
      return entry.emitError("calibration: input '")
             << port.name << "': expected '" << getDescr(port.type.getElementType()) << "' of "
             << port.type << ", with runs in front or without";
    }
    return success();
  }

  /// Before the first token: states as given, or zeros.
  void reset() {
    position = 0;
    states.clear();
  }

  /// The inputs of one run; `tokenAt` is called where there are tokens.
  std::vector<NpyArray> makeInputs(int64_t run, llvm::function_ref<int64_t(int64_t)> tokenAt) {
    std::vector<NpyArray> arrays;
    for (auto [index, port] : llvm::enumerate(program->inputs())) {
      const InputRole &role = info.inputs[index];
      NpyArray array = makeZeros(port.type);
      const NpyArray *values = given(int64_t(index));
      int64_t perRun = info.tokensPerRun;
      bool carried = role.kind == InputRole::State && !states.empty();
      if (carried) {
        array = std::move(states[size_t(role.output)]);
      } else if (values && role.kind != InputRole::Token) {
        int64_t runs = std::max<int64_t>(1, numRuns(int64_t(index)));
        size_t size = array.bytes.size();
        std::memcpy(array.bytes.data(), values->bytes.data() + size_t(run % runs) * size, size);
      } else if (role.kind == InputRole::Token) {
        setIntegers(array, tokenAt);
      } else if (role.kind == InputRole::Position) {
        int64_t last = port.type.getRank() == 0 ? 1 : port.type.getShape().back();
        setIntegers(array, [&](int64_t i) { return position + i % last; });
      } else if (role.kind == InputRole::WriteAt) {
        setIntegers(array, [&](int64_t) { return position; });
      } else if (role.kind == InputRole::Length) {
        setIntegers(array, [&](int64_t) { return position + perRun; });
      } else if (role.kind == InputRole::LastRow) {
        setIntegers(array, [&](int64_t) { return role.size - 1; });
      }
      arrays.push_back(std::move(array));
    }
    return arrays;
  }

  LogicalResult runOnce(int64_t run, llvm::function_ref<int64_t(int64_t)> tokenAt) {
    if (info.capacity > 0 && position + info.tokensPerRun > info.capacity) {
      reset();
    }
    auto results = program->run(makeInputs(run, tokenAt), &observations);
    if (!results.ok()) {
      return entry.emitError("calibration: ") << results.status().message();
    }
    states = std::move(*results);
    position += info.tokensPerRun;
    onRun(double(++finishedRuns) / double(plannedRuns));
    return success();
  }

  LogicalResult runGiven() {
    int64_t runs = 1;
    for (int64_t input = 0, e = int64_t(info.inputs.size()); input < e; ++input) {
      runs = std::max(runs, numRuns(input));
    }
    plannedRuns = runs;
    for (int64_t run = 0; run < runs; ++run) {
      auto token = [&](int64_t i) {
        const NpyArray *values = given(tokenInput);
        int64_t length = values->shape.back(), perRun = info.tokensPerRun;
        return getInteger(*values, i / perRun * length +
                                       (run * perRun + i % perRun) % (length / perRun * perRun));
      };
      if (failed(runOnce(run, token))) {
        return failure();
      }
    }
    return success();
  }

  /// One sequence of drawn tokens; where a run takes one token, another that the
  /// model continues itself.
  LogicalResult runBuiltIn() {
    int64_t perRun = info.tokensPerRun, length = options.builtInTokens;
    length = info.capacity > 0 ? std::min(length, info.capacity) : length;
    int64_t runs = std::max<int64_t>(1, length / perRun);
    int64_t rows = info.inputs[size_t(tokenInput)].size;
    Random random;
    int64_t scores = findScores(rows);
    bool continues = perRun == 1 && scores >= 0;
    plannedRuns = continues ? 2 * runs : runs;
    for (int64_t run = 0; run < runs; ++run) {
      if (failed(runOnce(run, [&](int64_t) { return random.below(rows); }))) {
        return failure();
      }
    }
    if (!continues) {
      return success();
    }
    reset();
    for (int64_t run = 0; run < runs; ++run) {
      auto token = [&](int64_t i) {
        return run == 0 ? random.below(rows) : getLargest(states[size_t(scores)], i, rows);
      };
      if (failed(runOnce(run, token))) {
        return failure();
      }
    }
    return success();
  }

  /// The output that has a score for each row of the token table.
  int64_t findScores(int64_t rows) const {
    int64_t batch = program->inputs()[size_t(tokenInput)].type.getNumElements();
    for (auto [index, port] : llvm::enumerate(program->outputs())) {
      if (port.type.getElementType().isF32() && port.type.getRank() > 0 &&
          port.type.getShape().back() == rows && port.type.getNumElements() == batch * rows) {
        return int64_t(index);
      }
    }
    return -1;
  }
  static int64_t getLargest(const NpyArray &scores, int64_t row, int64_t rows) {
    std::vector<float> values(static_cast<size_t>(rows));
    size_t bytes = values.size() * sizeof(float);
    std::memcpy(values.data(), scores.bytes.data() + size_t(row) * bytes, bytes);
    return std::max_element(values.begin(), values.end()) - values.begin();
  }

  func::FuncOp entry;
  const CalibrationOptions &options;
  Observations &observations;
  std::function<void(double)> onRun;
  int64_t plannedRuns = 1, finishedRuns = 0;
  SequenceInfo info;
  std::unique_ptr<Program> program;
  int64_t tokenInput = -1, position = 0;
  std::vector<NpyArray> states; ///< outputs of the run before; none at the start
};

/// Finds entries that would see what an earlier one saw: entries of a model often differ
/// in the bounds of their inputs alone.
class Twins {
public:
  explicit Twins(const CalibrationOptions &options) : options(options) {}

  /// An earlier entry like `entry`, which is kept when there is none.
  func::FuncOp find(func::FuncOp entry) {
    int64_t positions = getPositions(entry);
    for (auto [other, otherPositions] : known) {
      if (positions == otherPositions && haveSameInputs(entry, other) &&
          OperationEquivalence::isRegionEquivalentTo(&entry.getBody(), &other.getBody(),
                                                     OperationEquivalence::IgnoreLocations)) {
        return other;
      }
    }
    known.emplace_back(entry, positions);
    return {};
  }

private:
  /// Positions that runs go through, or have room for when arrays are given.
  int64_t getPositions(func::FuncOp entry) const {
    SequenceInfo info = analyzeSequence(entry);
    int64_t used = std::max(options.builtInTokens, info.tokensPerRun);
    return options.arrays.empty() && (info.capacity == 0 || info.capacity > used) ? used
                                                                                 : info.capacity;
  }

  static bool haveSameInputs(func::FuncOp entry, func::FuncOp other) {
    if (entry.getFunctionType() != other.getFunctionType() ||
        entry.getResAttrsAttr() != other.getResAttrsAttr()) {
      return false;
    }
    return llvm::all_of(llvm::seq(entry.getNumArguments()), [&](unsigned i) {
      NamedAttrList own(entry.getArgAttrDict(i)), its(other.getArgAttrDict(i));
      own.erase(mlir::lpu::LPUDialect::kMaxAttr);
      its.erase(mlir::lpu::LPUDialect::kMaxAttr);
      return own.getDictionary(entry.getContext()) == its.getDictionary(entry.getContext());
    });
  }

  const CalibrationOptions &options;
  std::vector<std::pair<func::FuncOp, int64_t>> known;
};

/// What was observed in `from`, for the same operations of `to`.
void copyObservations(func::FuncOp from, func::FuncOp to, Observations &observations) {
  SmallVector<Operation *> theirs;
  from.walk([&](Operation *op) { theirs.push_back(op); });
  size_t next = 0;
  to.walk([&](Operation *op) {
    if (auto found = observations.find(theirs[next++]); found != observations.end()) {
      std::vector<float> largest = found->second;
      observations[op] = std::move(largest);
    }
  });
}

/// Operations of one node, one kind and one place among these.
using Key = std::tuple<std::string, std::string, unsigned>;

/// Observed operations by key, and one without a node's name by itself.
void forEachKey(ModuleOp module, const Observations &observations,
                llvm::function_ref<void(const Key &, Operation *)> visit) {
  for (auto entry : module.getOps<func::FuncOp>()) {
    std::map<std::pair<std::string, std::string>, unsigned> seen;
    unsigned unnamed = 0;
    entry.walk([&](Operation *op) {
      if (!observations.contains(op)) {
        return;
      }
      auto name = dyn_cast<NameLoc>(op->getLoc());
      std::string kind = op->getName().getStringRef().str();
      if (!name) {
        visit({("@" + entry.getName()).str(), kind, unnamed++}, op);
        return;
      }
      std::string node = name.getName().str();
      visit({node, kind, seen[{node, kind}]++}, op);
    });
  }
}

} // namespace

std::vector<std::string> getDataInputs(func::FuncOp entry) {
  SequenceInfo info = analyzeSequence(entry);
  std::vector<std::string> names;
  for (auto [index, role] : llvm::enumerate(info.inputs)) {
    if (role.kind == InputRole::Data) {
      auto name =
          entry.getArgAttrOfType<StringAttr>(unsigned(index), mlir::lpu::LPUDialect::kNameAttr);
      names.push_back(name ? name.str() : "");
    }
  }
  return names;
}

LogicalResult calibrate(ModuleOp module, const CalibrationOptions &options) {
  Observations observations;
  std::map<std::string, bool> used;
  Twins twins(options);
  std::vector<func::FuncOp> toRun;
  std::vector<std::pair<func::FuncOp, func::FuncOp>> alike;
  for (auto entry : module.getOps<func::FuncOp>()) {
    if (func::FuncOp twin = twins.find(entry)) {
      alike.emplace_back(twin, entry);
    } else {
      toRun.push_back(entry);
    }
    for (unsigned i = 0; i < entry.getNumArguments(); ++i) {
      if (auto name = entry.getArgAttrOfType<StringAttr>(i, mlir::lpu::LPUDialect::kNameAttr)) {
        used[name.str()] = true;
      }
    }
  }
  for (size_t k = 0; k < toRun.size(); ++k) {
    auto onRun = [&](double share) {
      if (options.onProgress) {
        options.onProgress((double(k) + share) / double(toRun.size()));
      }
    };
    if (failed(EntryRunner(toRun[k], options, observations, onRun).run())) {
      return failure();
    }
  }
  for (auto [twin, entry] : alike) {
    copyObservations(twin, entry, observations);
  }
  for (const auto &[name, array] : options.arrays) {
    if (!used.contains(name)) {
      return module.emitError("calibration: array '") << name << "' is no input of an entry";
    }
  }
  std::map<Key, std::vector<float>> merged;
  forEachKey(module, observations, [&](const Key &key, Operation *op) {
    std::vector<float> &all = merged[key];
    const std::vector<float> &own = observations.find(op)->second;
    all.resize(std::max(all.size(), own.size()), 0);
    for (auto [index, value] : llvm::enumerate(own)) {
      all[index] = std::max(all[index], value);
    }
  });
  forEachKey(module, observations, [&](const Key &key, Operation *op) {
    // Zeros alone say nothing about the range.
    if (llvm::any_of(merged[key], [](float value) { return value > 0; })) {
      StringRef name = isa<mlir::lpu::CacheUpdateOp>(op)
                           ? mlir::lpu::LPUDialect::kColumnMaxAttr
                           : mlir::lpu::LPUDialect::kInputMaxAttr;
      op->setAttr(name, DenseF32ArrayAttr::get(module.getContext(), merged[key]));
    }
  });
  return success();
}

} // namespace lpu::host
