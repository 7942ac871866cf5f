//===- Memory.cpp - The SRAM words of an entry ----------------------------===//

#include "ISA/IR/ISADialect.h"
#include "Lowering.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/ADT/DenseSet.h"

using namespace lpu;
using namespace lpu::stream_lowering;
using namespace mlir;
using mlir::lpu::BufferType;
using mlir::lpu::ConstantRowsOp;
using mlir::lpu::ContractOp;
using mlir::lpu::LoadInputOp;
using mlir::lpu::MapOp;
using mlir::lpu::Placement;
using mlir::lpu::StoreOutputOp;

namespace {

class MemoryEmitter {
public:
  MemoryEmitter(func::FuncOp entry, const Target &target)
      : entry(entry), target(target), builder(entry) {}

  LogicalResult run() {
    for (auto store : entry.getOps<StoreOutputOp>()) {
      outputs.insert(store.getSource());
    }
    for (Operation &op : entry.getBody().front()) {
      LogicalResult result = success();
      if (auto input = dyn_cast<LoadInputOp>(op)) {
        emitRegions(op, input.getResult(), "input", input.getName());
        result = emitBinding(op, input.getResult(), "input", input.getName(),
                             input.getShape());
      } else if (auto store = dyn_cast<StoreOutputOp>(op)) {
        result = emitBinding(op, store.getSource(), "output", store.getName(),
                             store.getShape());
      } else if (auto map = dyn_cast<MapOp>(op)) {
        for (Value value : map.getResults()) {
          emitRegions(op, value, outputs.contains(value) ? "output" : "scratch", "");
        }
      } else if (auto constant = dyn_cast<ConstantRowsOp>(op)) {
        emitConstant(constant);
      } else if (auto contract = dyn_cast<ContractOp>(op)) {
        result = emitWeights(contract);
      }
      if (failed(result)) {
        return failure();
      }
    }
    return success();
  }

private:
  int64_t getVectors(BufferType type) const {
    return divideCeil(type.getColumns(), target.lanes());
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

  void emitRegions(Operation &op, Value buffer, StringRef kind, StringRef label) {
    auto type = cast<BufferType>(buffer.getType());
    for (const Placement &copy : getPlacements(buffer)) {
      for (const auto &byte : copy) {
        lpuisa::RegionOp::create(builder, op.getLoc(), entry.getSymName(), kind,
                                 getLabel(op, label), byte.slice, byte.bank,
                                 byte.first, type.getRows() * getVectors(type));
      }
    }
  }

  LogicalResult emitBinding(Operation &op, Value buffer, StringRef direction,
                            StringRef name, ArrayRef<int64_t> shape) {
    auto type = cast<BufferType>(buffer.getType());
    SmallVector<Placement> copies = getPlacements(buffer);
    if (copies.size() != 1 || mlir::lpu::getNumLimbs(type.getFormat()) != 0) {
      return op.emitOpError("expected one floating-point copy, got ") << type;
    }
    SmallVector<int64_t> planes;
    for (const auto &byte : copies.front()) {
      planes.append({byte.slice, byte.bank, byte.first});
    }
    StringRef stored = stringifyFormat(type.getFormat());
    lpuisa::BindingOp::create(builder, op.getLoc(), entry.getSymName(), direction,
                              name, "f32", stored, shape, type.getRows(),
                              type.getColumns(), getVectors(type), getVectors(type),
                              planes, ArrayRef<int64_t>());
    return success();
  }

  /// Words of one bank as `weights` of the image.
  void emitImage(Operation &op, StringRef label, int64_t slice, int64_t bank,
                 int64_t first, std::vector<uint8_t> bytes) {
    int64_t count = int64_t(bytes.size()) / target.lanes();
    auto type = RankedTensorType::get({count, int64_t(target.lanes())},
                                      builder.getI8Type());
    ArrayRef<char> raw(reinterpret_cast<const char *>(bytes.data()), bytes.size());
    lpuisa::ImageOp::create(
        builder, op.getLoc(), "weights", label, slice, bank, first, count,
        DenseResourceElementsAttr::get(
            type, "words", HeapAsmResourceBlob::allocateAndCopyWithAlign(raw, 1)));
  }

  void emitConstant(ConstantRowsOp op) {
    auto type = op.getResult().getType();
    SmallVector<float> values(cast<DenseElementsAttr>(op.getValue()).getValues<float>());
    int64_t vectors = getVectors(type), lanes = target.lanes();
    for (const Placement &copy : getPlacements(op.getResult())) {
      for (auto [b, byte] : llvm::enumerate(copy)) {
        std::vector<uint8_t> bytes(size_t(type.getRows() * vectors * lanes));
        for (int64_t row = 0; row < type.getRows(); ++row) {
          // One column means the same value in every lane.
          int64_t width = type.getColumns() == 1 ? lanes : type.getColumns();
          for (int64_t c = 0; c < width; ++c) {
            float value = values[size_t(type.getColumns() == 1
                                            ? row
                                            : row * type.getColumns() + c)];
            bytes[size_t(row * vectors * lanes + c)] =
                uint8_t(llvm::bit_cast<uint32_t>(value) >> (8 * b));
          }
        }
        emitImage(*op, getLabel(*op, ""), byte.slice, byte.bank, byte.first,
                  std::move(bytes));
      }
    }
  }

  LogicalResult emitWeights(ContractOp op) {
    auto type = cast<RankedTensorType>(op.getWeights().getType());
    ArrayRef<char> weights = getRawBytes(op.getWeights());
    int64_t rows = type.getDimSize(0), columns = type.getDimSize(1);
    if (int64_t(weights.size()) != rows * columns) {
      return op.emitOpError("expected ")
             << rows * columns << " bytes of weights, got " << weights.size();
    }
    int64_t lanes = target.lanes();
    int64_t tiles = divideCeil(columns, lanes), tileWords = divideCeil(rows, 16);
    SmallVector<mlir::lpu::Stripe> stripes =
        mlir::lpu::decodeStripes(op.getPlacementAttr());
    for (auto [s, stripe] : llvm::enumerate(stripes)) {
      for (auto [j, slice] : llvm::enumerate(stripe.slices)) {
        std::vector<uint8_t> bytes;
        for (int64_t tile = int64_t(s); tile < tiles; tile += int64_t(stripes.size())) {
          for (int64_t group = 0; group < tileWords; ++group) {
            int64_t row = group * 16 + int64_t(j);
            for (int64_t lane = 0; lane < lanes; ++lane) {
              int64_t column = tile * lanes + lane;
              bool inside = row < rows && column < columns;
              bytes.push_back(
                  inside ? uint8_t(weights[size_t(row * columns + column)]) : 0);
            }
          }
        }
        emitImage(*op, getLabel(*op, ""), slice, stripe.bank, stripe.first,
                  std::move(bytes));
      }
    }
    return success();
  }

  static ArrayRef<char> getRawBytes(ElementsAttr value) {
    if (auto dense = dyn_cast<DenseElementsAttr>(value)) {
      return dense.isSplat() ? ArrayRef<char>() : dense.getRawData();
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
  llvm::DenseSet<Value> outputs;
};

} // namespace

LogicalResult Lowering::emitMemory() {
  return MemoryEmitter(entry, target).run();
}
