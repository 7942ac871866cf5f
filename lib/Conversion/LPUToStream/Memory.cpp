//===- Memory.cpp - The SRAM words of an entry ----------------------------===//

#include "ISA/IR/ISADialect.h"
#include "LPU/IR/LPUElements.h"
#include "Lowering.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "lpu/Conversion/Passes.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/Support/FormatVariadic.h"
#include <map>
#include <set>

using namespace lpu;
using namespace lpu::stream_lowering;
using namespace mlir;
using mlir::lpu::BufferType;
using mlir::lpu::ConstantRowsOp;
using mlir::lpu::ContractOp;
using mlir::lpu::Format;
using mlir::lpu::LoadInputOp;
using mlir::lpu::MapOp;
using mlir::lpu::Placement;
using mlir::lpu::StoreOutputOp;

namespace {

class MemoryEmitter {
public:
  MemoryEmitter(func::FuncOp entry, const Target &target)
      : entry(entry), target(target), builder(entry) {
    // Entries share the words of the image.
    for (auto op : entry->getParentOfType<ModuleOp>().getOps<lpuisa::ImageOp>()) {
      written.insert({int64_t(op.getSlice()), int64_t(op.getBank()), int64_t(op.getFirst())});
    }
  }

  LogicalResult run() {
    for (auto store : entry.getOps<StoreOutputOp>()) {
      outputs[store.getSource()] = store.getChunkWords();
    }
    for (Operation &op : entry.getBody().front()) {
      LogicalResult result = success();
      if (auto input = dyn_cast<LoadInputOp>(op)) {
        emitRegions(op, input.getResult(), "input", input.getName(), input.getChunkWords());
        result = emitBinding(input, input.getResult(), "input");
      } else if (auto store = dyn_cast<StoreOutputOp>(op)) {
        result = emitBinding(store, store.getSource(), "output");
      } else if (isa<MapOp, mlir::lpu::NestOp, mlir::lpu::AssembleOp>(op)) {
        for (Value value : op.getResults()) {
          emitComputed(op, value);
        }
      } else if (auto constant = dyn_cast<ConstantRowsOp>(op)) {
        emitConstant(constant);
      } else if (auto table = dyn_cast<mlir::lpu::TableOp>(op)) {
        result = emitTable(table);
      } else if (auto contract = dyn_cast<ContractOp>(op)) {
        result = contract.getTiles() ? success() : emitWeights(contract);
      } else if (isa<mlir::lpu::PermuteOp, mlir::lpu::GatherRowsOp>(op)) {
        emitComputed(op, op.getResult(0));
        emitLaneTables(&op);
      } else if (isa<mlir::lpu::AppendColumnsOp>(op)) {
        emitLaneTables(&op);
      } else if (auto integers = dyn_cast<mlir::lpu::IntegerInputOp>(op)) {
        result = emitIntegers(integers);
      } else if (auto derived = dyn_cast<mlir::lpu::DeriveOp>(op)) {
        emitDerived(derived);
      } else if (auto state = dyn_cast<mlir::lpu::StateOp>(op)) {
        emitState(state);
      }
      if (failed(result)) {
        return failure();
      }
    }
    emitScratch();
    return success();
  }

private:
  int64_t getVectors(BufferType type) const {
    return type.getVectors(target.lanes());
  }
  std::string getLabel(Operation &op, StringRef label) {
    if (!label.empty()) {
      return label.str();
    }
    if (auto name = dyn_cast<NameLoc>(op.getLoc())) {
      return name.getName().str();
    }
    return op.getName().stripDialect().str();
  }

  int64_t getWords(BufferType type) const { return type.getRows() * getVectors(type); }

  /// With `chunkWords`, placements are those of one part of the buffer after the other.
  void emitRegions(Operation &op, Value buffer, StringRef kind, StringRef label,
                   int64_t chunkWords) {
    int64_t words = getWords(cast<BufferType>(buffer.getType()));
    for (const Placement &copy : getPlacements(buffer)) {
      int64_t count = chunkWords ? std::min(chunkWords, words) : words;
      for (const auto &byte : copy) {
        if (count > 0) {
          lpuisa::RegionOp::create(builder, op.getLoc(), entry.getSymName(), kind,
                                   getLabel(op, label), byte.slice, byte.bank, byte.first, count);
        }
      }
      words -= chunkWords;
    }
  }

  void emitComputed(Operation &op, Value buffer) {
    if (auto output = outputs.find(buffer); output != outputs.end()) {
      return emitRegions(op, buffer, "output", "", output->second);
    }
    int64_t count = getWords(cast<BufferType>(buffer.getType()));
    for (auto [part, copy] : llvm::enumerate(getPlacements(buffer))) {
      int64_t words = mlir::lpu::getPartWords(count, target.wordsPerBank(), part);
      for (const auto &byte : copy) {
        scratch[{byte.slice, byte.bank}].push_back({byte.first, byte.first + words});
      }
    }
  }

  /// Entries share the tables of the SXM, too.
  void emitLaneTables(Operation *op) {
    auto permute = dyn_cast<mlir::lpu::PermuteOp>(op);
    if (permute && permute.getTable().size() <= target.lanes()) {
      getTable(op->getParentOfType<ModuleOp>(), permute.getTable(), target);
    }
    if (auto append = dyn_cast<mlir::lpu::AppendColumnsOp>(op)) {
      for (int64_t distance = 0; distance < append.getFrom().getType().getRows(); ++distance) {
        getTable(op->getParentOfType<ModuleOp>(), getSuperlaneRotation(distance, target),
                 target);
      }
    }
  }

  /// Buffers may follow one another in the same words: one region for each run.
  void emitScratch() {
    for (auto &[at, runs] : scratch) {
      llvm::sort(runs);
      for (size_t k = 0; k < runs.size();) {
        auto [first, last] = runs[k++];
        for (; k < runs.size() && runs[k].first <= last; ++k) {
          last = std::max(last, runs[k].second);
        }
        lpuisa::RegionOp::create(builder, entry.getLoc(), entry.getSymName(), "scratch",
                                 "scratch", at.first, at.second, first, last - first);
      }
    }
  }

  /// Of lpu.load_input or lpu.store_output.
  template <typename Op>
  LogicalResult emitBinding(Op op, Value buffer, StringRef direction) {
    auto type = cast<BufferType>(buffer.getType());
    SmallVector<Placement> copies = getPlacements(buffer);
    std::optional<ElementType> stored = mlir::lpu::toElementType(type.getFormat());
    int64_t chunk = op.getChunkWords(), words = getWords(type);
    size_t expected = chunk ? size_t(llvm::divideCeil(words, chunk)) : 1;
    if (copies.size() != expected || !stored) {
      return op.emitOpError("expected one copy of f32, f16, bf16, i32, i8x1 or u8, got ") << type;
    }
    SmallVector<int64_t> planes;
    for (const Placement &copy : copies) {
      for (const auto &byte : copy) {
        planes.append({byte.slice, byte.bank, byte.first});
      }
    }
    DenseI64ArrayAttr layout;
    if (std::optional<ArrayRef<int64_t>> given = op.getLayout()) {
      SmallVector<int64_t> values(*given);
      values.insert(values.begin() + 3, words);
      layout = builder.getDenseI64ArrayAttr(values);
    }
    std::optional<ElementType> element =
        op.getElement() ? mlir::lpu::toElementType(*op.getElement()) : ElementType::F32;
    auto name = [](ElementType t) { return StringRef(elementTypeName(t)); };
    lpuisa::BindingOp::create(builder, op.getLoc(), entry.getSymName(), direction, op.getName(),
                              name(*element), name(*stored), op.getShape(), type.getRows(),
                              type.getColumns(), getVectors(type), getVectors(type), planes,
                              getRuns(type), layout, chunk);
    return success();
  }

  /// Which lanes the columns take, where vectors are not full.
  SmallVector<int64_t> getRuns(BufferType type) {
    SmallVector<int64_t> runs;
    int64_t width = type.getWidth();
    for (int64_t c = 0; width && c < type.getColumns(); c += width) {
      runs.append({c, std::min(width, type.getColumns() - c), c / width, 0});
    }
    return runs;
  }

  /// `count` words of one bank as `weights` of the image; `fill` writes their bytes, which
  /// are zeros before.
  void emitImage(Operation &op, const mlir::lpu::BytePlacement &at, int64_t count,
                 llvm::function_ref<void(MutableArrayRef<char>)> fill) {
    if (!written.insert({at.slice, at.bank, at.first}).second) {
      return; // shared
    }
    auto type = RankedTensorType::get({count, int64_t(target.lanes())}, builder.getI8Type());
    AsmResourceBlob blob = HeapAsmResourceBlob::allocate(size_t(type.getNumElements()), 1);
    std::memset(blob.getMutableData().data(), 0, blob.getMutableData().size());
    fill(blob.getMutableData());
    // A name of its own: looking for a free one takes time.
    std::string name = llvm::formatv("words.{0}.{1}.{2}", at.slice, at.bank, at.first);
    lpuisa::ImageOp::create(builder, op.getLoc(), "weights", getLabel(op, ""), at.slice, at.bank,
                            at.first, count,
                            DenseResourceElementsAttr::get(type, name, std::move(blob)));
  }

  void emitConstant(ConstantRowsOp op) {
    auto type = op.getResult().getType();
    auto elements = cast<DenseElementsAttr>(op.getValue());
    SmallVector<uint32_t> values;
    if (type.getFormat() == Format::I32) {
      llvm::append_range(values, elements.getValues<uint32_t>());
    } else {
      for (float value : elements.getValues<float>()) {
        values.push_back(llvm::bit_cast<uint32_t>(value));
      }
    }
    int64_t vectors = getVectors(type), lanes = target.lanes();
    int64_t width = type.getColumnsPerVector(lanes);
    // One column means the same value in every lane.
    bool isSpread = type.getColumns() == 1;
    int64_t columns = isSpread ? lanes : type.getColumns();
    int64_t bank = int64_t(target.wordsPerBank()) / vectors;
    for (auto [part, copy] : llvm::enumerate(getPlacements(op.getResult()))) {
      int64_t rows = mlir::lpu::getPartWords(type.getRows(), bank, part);
      int64_t start = type.getRows() > bank ? int64_t(part) * bank : 0;
      for (auto [b, byte] : llvm::enumerate(copy)) {
        emitImage(*op, byte, rows * vectors, [&, b = b](MutableArrayRef<char> bytes) {
          for (int64_t row = 0; row < rows; ++row) {
            for (int64_t c = 0; c < columns; ++c) {
              int64_t from = start + row;
              uint32_t value = values[size_t(isSpread ? from : from * columns + c)];
              int64_t at = isSpread ? c : c / width * lanes + c % width;
              bytes[size_t(row * vectors * lanes + at)] =
                  char(value >> (8 * b));
            }
          }
        });
      }
    }
  }

  LogicalResult emitTable(mlir::lpu::TableOp op) {
    auto type = op.getResult().getType();
    int64_t lanes = target.lanes(), vectors = getVectors(type), columns = type.getColumns();
    int64_t width = type.getColumnsPerVector(lanes);
    unsigned limbs = mlir::lpu::getNumLimbs(type.getFormat());
    size_t size = limbs == 1 ? 1 : 4;
    ArrayRef<char> raw = getRawBytes(op.getValue());
    bool isSplat = op.getValue().isSplat();
    if (!isSplat && raw.size() != size_t(type.getRows() * columns) * size) {
      return op.emitOpError("expected ")
             << type.getRows() * columns * int64_t(size) << " bytes, got " << raw.size();
    }
    // Balanced limbs: the bytes of (y + 0x80..80) ^ 0x80..80.
    uint32_t half = limbs > 1 ? 0x80808080u >> (8 * (4 - limbs)) : 0;
    for (const mlir::lpu::TableWindow &window : mlir::lpu::decodeWindows(op.getWindowsAttr())) {
      emitImage(*op, {window.slice, window.bank, window.first}, window.rows * vectors,
                [&](MutableArrayRef<char> bytes) {
        for (int64_t row = 0; row < window.rows; ++row) {
          for (int64_t c = 0; c < columns; ++c) {
            uint32_t bits = 0;
            int64_t element = isSplat ? 0 : (window.firstRow + row) * columns + c;
            std::memcpy(&bits, raw.data() + size_t(element) * size, size);
            bits = (bits + half) ^ half;
            bytes[size_t((row * vectors + c / width) * lanes + c % width)] =
                char(bits >> (8 * window.byte));
          }
        }
      });
    }
    return success();
  }

  LogicalResult emitIntegers(mlir::lpu::IntegerInputOp op) {
    if (!op.getElement().isInteger(32) && !op.getElement().isInteger(64)) {
      return op.emitOpError("'") << op.getName() << "': expected int32 or int64 elements, got "
                                 << op.getElement();
    }
    auto most = op.getMost();
    lpuisa::IntegerInputOp::create(
        builder, op.getLoc(), entry.getSymName(), op.getName(),
        op.getElement().isInteger(32) ? "i32" : "i64", op.getShape(), op.getLeastAttr(),
        most ? builder.getI64IntegerAttr(int64_t(*most)) : IntegerAttr());
    return success();
  }

  void emitDerived(mlir::lpu::DeriveOp op) {
    auto type = op.getResult().getType();
    emitRegions(*op, op.getResult(), "derived", op.getLabel(), 0);
    for (const Placement &copy : getPlacements(op.getResult())) {
      SmallVector<int64_t> planes;
      for (const auto &byte : copy) {
        planes.append({byte.slice, byte.bank, byte.first});
      }
      lpuisa::DerivedInputOp::create(builder, op.getLoc(), entry.getSymName(),
                                     op.getLabel(), type.getRows() * getVectors(type),
                                     planes, op.getInputs(), op.getSteps());
    }
  }

  void emitState(mlir::lpu::StateOp op) {
    auto type = op.getResult().getType();
    int64_t words = mlir::lpu::getTileWords(type, target.lanes());
    size_t data = 16 * mlir::lpu::getNumBytes(type.getFormat());
    for (const auto &stripe : mlir::lpu::decodeStripes(op.getPlacementAttr())) {
      for (const auto &at : ArrayRef(stripe.slices).drop_front(data)) {
        emitImage(*op, at, 1, [](MutableArrayRef<char> bytes) {
          llvm::fill(bytes, char(mlir::lpu::kWideningByte));
        });
      }
      for (const auto &at : ArrayRef(stripe.slices).take_front(data)) {
        if (!written.insert({at.slice, at.bank, at.first}).second) {
          continue; // shared
        }
        lpuisa::ImageOp::create(builder, op.getLoc(), "state", op.getName(), at.slice,
                                at.bank, at.first, words, ElementsAttr());
      }
    }
  }

  LogicalResult emitWeights(ContractOp op) {
    ArrayRef<char> weights = getRawBytes(*op.getWeights());
    auto dense = dyn_cast<DenseElementsAttr>(*op.getWeights());
    bool isSplat = dense && dense.isSplat();
    bool oneWord = mlir::lpu::isOneWord(op, target.lanes());
    int64_t size = op.getActivations().getType().getFormat() == Format::F16 ? 2 : 1;
    mlir::lpu::ContractShape shape = mlir::lpu::getContractShape(op, target.lanes());
    if (int64_t(weights.size()) != (isSplat ? 1 : shape.k * shape.n) * size) {
      return op.emitOpError("expected ")
             << shape.k * shape.n * size << " bytes of weights, got " << weights.size();
    }
    int64_t lanes = target.lanes(), groups = oneWord ? 1 : shape.groups;
    SmallVector<mlir::lpu::Stripe> stripes =
        mlir::lpu::decodeStripes(op.getPlacementAttr());
    for (auto [s, stripe] : llvm::enumerate(stripes)) {
      const auto &front = stripe.slices.front();
      if (written.contains({front.slice, front.bank, front.first})) {
        continue; // shared with an earlier contraction
      }
      int64_t tiles = oneWord ? 1 : divideCeil(shape.tiles - int64_t(s), int64_t(stripes.size()));
      for (auto [j, at] : llvm::enumerate(stripe.slices)) {
        emitImage(*op, at, tiles * groups, [&, s = s, j = int64_t(j)](MutableArrayRef<char> bytes) {
          char *word = bytes.data();
          for (int64_t t = 0; t < tiles; ++t) {
            // One word may lie in more stripes than there are tiles.
            int64_t tile = oneWord ? 0 : int64_t(s) + t * int64_t(stripes.size());
            int64_t first = tile * shape.tileColumns;
            int64_t columns = std::min({lanes, shape.tileColumns, shape.n - first});
            for (int64_t group = 0; group < groups; ++group, word += lanes) {
              int64_t row = group * 16 + j % 16;
              const char *from = weights.data() + (row * shape.n + first) * size + j / 16;
              for (int64_t lane = 0; row < shape.k && lane < columns; ++lane) {
                word[lane] = isSplat ? weights[size_t(j / 16)] : from[lane * size];
              }
            }
          }
        });
      }
    }
    return success();
  }

  static ArrayRef<char> getRawBytes(ElementsAttr value) {
    if (auto dense = dyn_cast<DenseElementsAttr>(value)) {
      return dense.getRawData();
    }
    if (auto resource = dyn_cast<DenseResourceElementsAttr>(value)) {
      if (AsmResourceBlob *blob = resource.getRawHandle().getBlob()) {
        return blob->getData();
      }
    }
    return {};
  }

  func::FuncOp entry;
  const Target &target;
  OpBuilder builder;
  llvm::DenseMap<Value, int64_t> outputs; ///< and words of a chunk, or 0
  std::set<std::tuple<int64_t, int64_t, int64_t>> written; ///< words of the image
  /// First and past the last word of what the entry computes, by slice and bank.
  std::map<std::pair<int64_t, int64_t>, std::vector<std::pair<int64_t, int64_t>>> scratch;
};

} // namespace

namespace {

struct EmitMemory : PassWrapper<EmitMemory, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(EmitMemory)
  StringRef getArgument() const override { return "lpu-emit-memory"; }
  StringRef getDescription() const override {
    return "write what placed kernels keep in SRAM as the words of the image, regions and "
           "bindings";
  }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<lpuisa::ISADialect>();
  }
  void runOnOperation() override {
    for (auto entry : getOperation().getOps<func::FuncOp>()) {
      const Target *target = mlir::lpu::getTarget(entry);
      if (!target || failed(MemoryEmitter(entry, *target).run())) {
        return signalPassFailure();
      }
    }
  }
};

} // namespace

namespace lpu {
std::unique_ptr<mlir::Pass> createEmitMemoryPass() { return std::make_unique<EmitMemory>(); }
} // namespace lpu
