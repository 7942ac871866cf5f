//===- LPUToStream.cpp - Placed kernels to chains -------------------------===//

#include "ISA/IR/ISADialect.h"
#include "VectorChain.h"
#include "lpu/Conversion/Passes.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"


using namespace lpu::stream_lowering;
using namespace mlir;
using mlir::lpu::ContractOp;
using mlir::lpu::MapOp;

int64_t AccumulatorAllocator::take(unsigned plane, int64_t count) {
  std::vector<bool> &taken = used[plane];
  int64_t size = int64_t(taken.size());
  for (int64_t tries = 0, first = next[plane]; tries <= size; ++tries, ++first) {
    first = first + count > size ? 0 : first;
    if (count > size) {
      return -1;
    }
    bool isFree = true;
    for (int64_t k = first; k < first + count; ++k) {
      isFree &= !taken[size_t(k)];
    }
    if (isFree) {
      std::fill_n(taken.begin() + first, count, true);
      next[plane] = first + count;
      return first;
    }
  }
  return -1;
}

void AccumulatorAllocator::release(unsigned plane, int64_t first, int64_t count) {
  std::fill_n(used[plane].begin() + first, count, false);
}

namespace lpu::stream_lowering {
SmallVector<mlir::lpu::Placement> getPlacements(Value buffer) {
  auto type = cast<mlir::lpu::BufferType>(buffer.getType());
  unsigned bytes = mlir::lpu::getNumBytes(type.getFormat());
  Operation *op = buffer.getDefiningOp();
  DenseI64ArrayAttr placement;
  if (isa_and_nonnull<MapOp, mlir::lpu::NestOp>(op)) {
    if (auto all = op->getAttrOfType<ArrayAttr>("placements")) {
      placement = cast<DenseI64ArrayAttr>(all[cast<OpResult>(buffer).getResultNumber()]);
    }
  } else if (op) {
    placement = op->getAttrOfType<DenseI64ArrayAttr>("placement");
  }
  if (!placement) {
    return {};
  }
  return mlir::lpu::decodePlacement(placement, bytes);
}

const mlir::lpu::Placement *findCopy(ArrayRef<mlir::lpu::Placement> copies, Side side,
                                     const Target &target) {
  const auto *copy = llvm::find_if(copies, [&](const mlir::lpu::Placement &candidate) {
    return target.sliceSide(unsigned(candidate.front().slice)) == side;
  });
  return copy == copies.end() ? nullptr : copy;
}

Value readWords(ChainBuilder &chain, ArrayRef<mlir::lpu::BytePlacement> bytes, int64_t word,
                unsigned column, int64_t cycle, Repeated repeated,
                std::array<int64_t, 2> steps) {
  SmallVector<Value> flows;
  for (const mlir::lpu::BytePlacement &byte : bytes) {
    flows.push_back(chain.readFor(column, cycle, unsigned(byte.slice), byte.bank,
                                  byte.first + word, repeated, {{"r_addr", steps}}));
  }
  return chain.bundle(flows);
}
} // namespace lpu::stream_lowering

std::string Lowering::getName(Operation *op, StringRef kind) {
  if (auto name = dyn_cast<NameLoc>(op->getLoc())) {
    return name.getName().str();
  }
  return (kind + Twine(number)).str();
}

void Lowering::releaseDeadAccumulators(Operation *op) {
  for (Value operand : op->getOperands()) {
    auto it = tilesOf.find(operand);
    if (it == tilesOf.end()) {
      continue;
    }
    bool last = llvm::all_of(operand.getUsers(), [&](Operation *user) {
      return user == op || user->isBeforeInBlock(op);
    });
    for (const TileSums &tile : it->second) {
      if (last) {
        accumulators.release(tile.plane, tile.first, tile.count);
      }
    }
  }
}

int64_t Lowering::getBlockRows(int64_t rows) const {
  return mlir::lpu::getPartRows(rows, VectorChain::getMostRows(target));
}

LogicalResult Lowering::run() {
  for (Operation &op : entry.getBody().front()) {
    LogicalResult result = success();
    if (auto contract = dyn_cast<ContractOp>(op)) {
      result = lowerContract(contract);
    } else if (auto map = dyn_cast<MapOp>(op)) {
      result = lowerMap(map);
      releaseDeadAccumulators(map);
    } else if (auto permute = dyn_cast<mlir::lpu::PermuteOp>(op)) {
      result = lowerPermute(permute);
    } else if (auto gather = dyn_cast<mlir::lpu::GatherRowsOp>(op)) {
      result = lowerGatherRows(gather);
    } else if (auto nest = dyn_cast<mlir::lpu::NestOp>(op)) {
      result = lowerNest(nest);
    } else if (auto assemble = dyn_cast<mlir::lpu::AssembleOp>(op)) {
      result = lowerAssemble(assemble);
    } else if (auto append = dyn_cast<mlir::lpu::AppendOp>(op)) {
      result = lowerAppend(append);
    } else if (auto columns = dyn_cast<mlir::lpu::AppendColumnsOp>(op)) {
      result = lowerAppendColumns(columns);
    } else if (!isa<mlir::lpu::LoadInputOp, mlir::lpu::StoreOutputOp, mlir::lpu::StateOp,
                    mlir::lpu::IntegerInputOp, mlir::lpu::DeriveOp,
                    mlir::lpu::ConstantRowsOp, mlir::lpu::TableOp, mlir::lpu::RowsOp,
                    mlir::lpu::ConcatRowsOp, func::ReturnOp>(op)) {
      result = op.emitOpError("does not belong to the kernel level");
    }
    if (failed(result)) {
      return failure();
    }
    ++number;
  }
  SmallVector<StringRef> names(counters.begin(), counters.end());
  program.setCountersAttr(Builder(program.getContext()).getStrArrayAttr(names));
  return success();
}

namespace {

struct LPUToStream : PassWrapper<LPUToStream, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(LPUToStream)
  StringRef getArgument() const override { return "convert-lpu-to-stream"; }
  StringRef getDescription() const override {
    return "turn placed kernels into chains";
  }
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<mlir::stream::StreamDialect, lpuisa::ISADialect>();
  }
  void runOnOperation() override {
    for (auto entry : llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>())) {
      const ::lpu::Target *target = mlir::lpu::getTarget(entry);
      if (!target) {
        return signalPassFailure();
      }
      OpBuilder builder(entry);
      auto program = mlir::stream::ProgramOp::create(
          builder, entry.getLoc(), entry.getSymName(),
          builder.getStrArrayAttr({}), IntegerAttr(), IntegerAttr(),
          entry->getAttrOfType<IntegerAttr>(mlir::lpu::LPUDialect::kLowerBoundAttr));
      if (Attribute layers = entry->getAttr(mlir::lpu::LPUDialect::kLayerBoundsAttr)) {
        program->setDiscardableAttr(mlir::stream::StreamDialect::kLayerBoundsAttr, layers);
      }
      program.getBody().emplaceBlock();
      if (failed(Lowering(entry, program, *target).run())) {
        return signalPassFailure();
      }
      entry.erase();
    }
  }
};

} // namespace

namespace lpu {
std::unique_ptr<mlir::Pass> createLPUToStreamPass() {
  return std::make_unique<LPUToStream>();
}
} // namespace lpu
