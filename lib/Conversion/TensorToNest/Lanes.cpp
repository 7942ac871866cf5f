//===- Lanes.cpp - Which dimension of each tensor runs along lanes --------===//

#include "Lanes.h"
#include "LPU/IR/LPUTensorOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;

namespace lpu::nest_lowering {

Value getFill(Operation *op) {
  if (auto fill = dyn_cast_or_null<linalg::FillOp>(op)) {
    return fill.getInputs()[0];
  }
  auto generic = dyn_cast_or_null<linalg::GenericOp>(op);
  if (!generic || generic.getNumResults() != 1 || generic.getNumDpsInputs() != 1 ||
      !generic.getInputs()[0].getDefiningOp<arith::ConstantOp>() ||
      isa<ShapedType>(generic.getInputs()[0].getType())) {
    return Value();
  }
  Block *body = generic.getBody();
  bool isCopy = body->getTerminator()->getOperand(0) == body->getArgument(0);
  return isCopy ? generic.getInputs()[0] : Value();
}

bool isFree(Value value) {
  Operation *op = value.getDefiningOp();
  return isa_and_nonnull<arith::ConstantOp, mlir::lpu::WeightOp, tensor::EmptyOp>(op) ||
         getFill(op);
}

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

SmallVector<std::pair<int64_t, int64_t>> getKeptDims(ArrayRef<ReassociationIndices> groups,
                                                     RankedTensorType source,
                                                     RankedTensorType result) {
  // The groups are of the longer one.
  bool collapses = source.getRank() > result.getRank();
  RankedTensorType longer = collapses ? source : result, shorter = collapses ? result : source;
  SmallVector<std::pair<int64_t, int64_t>> kept;
  for (auto [d, group] : llvm::enumerate(groups)) {
    for (int64_t e : group) {
      if (longer.getDimSize(e) == shorter.getDimSize(int64_t(d)) && longer.getDimSize(e) != 1) {
        kept.push_back(collapses ? std::pair(e, int64_t(d)) : std::pair(int64_t(d), e));
        break;
      }
    }
  }
  return kept;
}

LaneAssignment::LaneAssignment(func::FuncOp entry, int64_t lanes) : lanes(lanes) {
  auto add = [&](Value value) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    if (!type || isFree(value)) {
      return;
    }
    first[value] = unsigned(parent.size());
    tensors.push_back(value);
    for (int64_t d = 0; d < type.getRank(); ++d) {
      parent.push_back(unsigned(parent.size()));
    }
  };
  Block &body = entry.getBody().front();
  llvm::for_each(body.getArguments(), add);
  for (Operation &op : body) {
    llvm::for_each(op.getResults(), add);
    auto generic = dyn_cast<linalg::GenericOp>(op);
    if (std::optional<Contraction> found =
            generic ? findContraction(generic, lanes) : std::nullopt) {
      contractions[&op] = *found;
    }
  }
  // Where the MXM cannot have its lanes, the operation is a nest, which ties others.
  for (bool isDone = false; !isDone;) {
    assign(body);
    SmallVector<Operation *> unserved;
    for (auto &[op, contraction] : contractions) {
      if (!isServed(cast<linalg::GenericOp>(op), contraction)) {
        unserved.push_back(op);
      }
    }
    for (Operation *op : unserved) {
      contractions.erase(op);
    }
    isDone = unserved.empty();
  }
}

void LaneAssignment::assign(Block &body) {
  for (unsigned id = 0; id < parent.size(); ++id) {
    parent[id] = id;
  }
  classes.assign(parent.size(), Class());
  for (Operation &op : body) {
    visit(op);
  }
  choose();
}

/// The dimension of `operand` that `loop` walks through.
static int64_t getDimOf(linalg::GenericOp op, OpOperand *operand, int64_t loop) {
  AffineMap map = op.getMatchingIndexingMap(operand);
  const AffineExpr *found =
      llvm::find(map.getResults(), getAffineDimExpr(unsigned(loop), op.getContext()));
  return int64_t(found - map.getResults().begin());
}

bool LaneAssignment::isServed(linalg::GenericOp op, const Contraction &contraction) const {
  OpOperand *x = op.getDpsInputOperand(contraction.activations);
  return getDim(x->get()) == getDimOf(op, x, contraction.k) &&
         getDim(op.getResult(0)) == getDimOf(op, op.getDpsInitOperand(0), contraction.n);
}

unsigned LaneAssignment::find(unsigned id) const {
  while (parent[id] != id) {
    id = parent[id] = parent[parent[id]];
  }
  return id;
}

void LaneAssignment::unite(unsigned a, unsigned b) {
  a = find(a), b = find(b);
  if (a != b) {
    parent[b] = a;
    classes[a].isBad |= classes[b].isBad;
  }
}

std::optional<unsigned> LaneAssignment::getClass(Value value, int64_t dim) const {
  auto it = first.find(value);
  if (it == first.end() || typeOf(value).getDimSize(dim) == 1) {
    return std::nullopt;
  }
  return find(it->second + unsigned(dim));
}

void LaneAssignment::markBad(Value value, int64_t dim) {
  if (std::optional<unsigned> id = getClass(value, dim)) {
    classes[*id].isBad = true;
  }
}

void LaneAssignment::tie(Value a, int64_t dimA, Value b, int64_t dimB) {
  std::optional<unsigned> left = getClass(a, dimA), right = getClass(b, dimB);
  if (left && right) {
    unite(*left, *right);
  } else if (left || right) {
    // A dimension of one index beside one of several: a piece.
    bool isPiece = (left ? typeOf(b).getDimSize(dimB) : typeOf(a).getDimSize(dimA)) == 1 &&
                   !isFree(left ? b : a);
    classes[left ? *left : *right].isBad |= isPiece;
  }
}

void LaneAssignment::visitGeneric(linalg::GenericOp op) {
  if (const Contraction *contraction = getContraction(op)) {
    // Its two lanes are free, all else are words.
    OpOperand *x = op.getDpsInputOperand(contraction->activations);
    auto markOthers = [&](Value value, int64_t kept) {
      for (int64_t d = 0; d < typeOf(value).getRank(); ++d) {
        if (d != kept) {
          markBad(value, d);
        }
      }
    };
    markOthers(x->get(), getDimOf(op, x, contraction->k));
    markOthers(op.getResult(0), getDimOf(op, op.getDpsInitOperand(0), contraction->n));
    return;
  }
  SmallVector<utils::IteratorType> iterators = op.getIteratorTypesArray();
  SmallVector<int64_t> sizes = op.getStaticLoopRanges();
  for (unsigned loop = 0; loop < op.getNumLoops(); ++loop) {
    if (sizes[loop] == 1) {
      continue;
    }
    bool isBad = iterators[loop] != utils::IteratorType::parallel;
    SmallVector<std::pair<Value, int64_t>> tied;
    for (OpOperand &operand : op->getOpOperands()) {
      Value value = operand.get();
      AffineMap map = op.getMatchingIndexingMap(&operand);
      unsigned times = 0;
      for (auto [d, expr] : llvm::enumerate(map.getResults())) {
        if (!expr.isFunctionOfDim(loop)) {
          continue;
        }
        ++times;
        isBad |= !isa<AffineDimExpr>(expr);
        tied.push_back({value, int64_t(d)});
      }
      isBad |= times > 1;
      if (op.isDpsInit(&operand)) {
        Value result = op.getTiedOpResult(&operand);
        for (auto [d, expr] : llvm::enumerate(map.getResults())) {
          if (expr.isFunctionOfDim(loop)) {
            tied.push_back({result, int64_t(d)});
          }
        }
      }
    }
    std::optional<unsigned> known;
    for (auto [value, dim] : tied) {
      std::optional<unsigned> id = getClass(value, dim);
      // A part of a dimension, from its start, would do; but its other users see more.
      if (id && typeOf(value).getDimSize(dim) != sizes[loop]) {
        isBad = true;
      }
      if (id && known) {
        unite(*known, *id);
      }
      known = id ? id : known;
    }
    if (isBad && known) {
      classes[find(*known)].isBad = true;
    }
  }
  // Dimensions of which one index is taken.
  for (OpOperand &operand : op->getOpOperands()) {
    AffineMap map = op.getMatchingIndexingMap(&operand);
    for (auto [d, expr] : llvm::enumerate(map.getResults())) {
      if (!isa<AffineDimExpr>(expr)) {
        markBad(operand.get(), int64_t(d));
      }
    }
  }
}

void LaneAssignment::visit(Operation &op) {
  if (auto generic = dyn_cast<linalg::GenericOp>(op)) {
    return visitGeneric(generic);
  }
  if (isa<mlir::lpu::NarrowOp, mlir::lpu::WidenOp>(op)) {
    for (int64_t d = 0; d < typeOf(op.getResult(0)).getRank(); ++d) {
      tie(op.getOperand(0), d, op.getResult(0), d);
    }
  } else if (auto turned = dyn_cast<linalg::TransposeOp>(op)) {
    for (auto [d, from] : llvm::enumerate(turned.getPermutation())) {
      tie(turned.getInput(), from, op.getResult(0), int64_t(d));
    }
  } else if (isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op)) {
    auto groups = isa<tensor::CollapseShapeOp>(op)
                      ? cast<tensor::CollapseShapeOp>(op).getReassociationIndices()
                      : cast<tensor::ExpandShapeOp>(op).getReassociationIndices();
    Value source = op.getOperand(0), result = op.getResult(0);
    SmallVector<bool> keptFrom(size_t(typeOf(source).getRank())),
        keptTo(size_t(typeOf(result).getRank()));
    for (auto [from, to] : getKeptDims(groups, typeOf(source), typeOf(result))) {
      tie(source, from, result, to);
      keptFrom[size_t(from)] = keptTo[size_t(to)] = true;
    }
    for (size_t d = 0; d < keptFrom.size(); ++d) {
      if (!keptFrom[d]) {
        markBad(source, int64_t(d));
      }
    }
    for (size_t d = 0; d < keptTo.size(); ++d) {
      if (!keptTo[d]) {
        markBad(result, int64_t(d));
      }
    }
  } else if (isa<tensor::ExtractSliceOp, tensor::InsertSliceOp, tensor::PadOp, tensor::ConcatOp>(
                 op)) {
    // Dimensions that stay whole are tied, others cut; ranks are equal but for slices.
    Value result = op.getResult(0);
    llvm::SmallBitVector dropped(unsigned(typeOf(result).getRank()));
    for (Value operand : op.getOperands()) {
      auto type = dyn_cast<RankedTensorType>(operand.getType());
      if (!type) {
        continue;
      }
      RankedTensorType longer = typeOf(result), shorter = type;
      bool isSlice = isa<tensor::ExtractSliceOp>(op);
      if (isSlice) {
        std::swap(longer, shorter);
      }
      llvm::SmallBitVector gone(unsigned(longer.getRank()));
      if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
        gone = slice.getDroppedDims();
      } else if (auto insert = dyn_cast<tensor::InsertSliceOp>(op);
                 insert && operand == insert.getSource()) {
        gone = insert.getDroppedDims();
      }
      for (int64_t d = 0, s = 0; d < longer.getRank(); ++d) {
        Value whole = isSlice ? operand : result, part = isSlice ? result : operand;
        if (gone[unsigned(d)]) {
          markBad(whole, d);
          continue;
        }
        if (longer.getDimSize(d) == shorter.getDimSize(s)) {
          tie(whole, d, part, s);
        } else {
          markBad(whole, d);
          markBad(part, s);
        }
        ++s;
      }
    }
  } else if (auto gather = dyn_cast<mlir::lpu::GatherOp>(op)) {
    int64_t axis = int64_t(gather.getAxis());
    int64_t indexRank = typeOf(gather.getIndices()).getRank();
    for (int64_t d = 0; d < typeOf(gather.getTable()).getRank(); ++d) {
      if (d == axis) {
        markBad(gather.getTable(), d);
      } else {
        tie(gather.getTable(), d, gather.getResult(), d < axis ? d : d + indexRank - 1);
      }
    }
    for (int64_t d = 0; d < indexRank; ++d) {
      markBad(gather.getIndices(), d);
      markBad(gather.getResult(), axis + d);
    }
  }
}

void LaneAssignment::separate(ArrayRef<unsigned> ids) {
  for (unsigned a : ids) {
    for (unsigned b : ids) {
      if (a != b) {
        classes[a].conflicts.push_back(b);
      }
    }
  }
}

void LaneAssignment::choose() {
  llvm::DenseMap<Operation *, SmallVector<unsigned>> perOp;
  for (Value value : tensors) {
    RankedTensorType type = typeOf(value);
    SmallVector<unsigned> own;
    for (int64_t d = 0; d < type.getRank(); ++d) {
      if (std::optional<unsigned> id = getClass(value, d)) {
        // Two dimensions of one tensor that are tied (x + transposed x): neither can be on lanes.
        classes[*id].isBad |= llvm::is_contained(own, *id);
        own.push_back(*id);
        double share = 1.0 / double(std::min(type.getDimSize(d), lanes));
        classes[*id].gain += double(type.getNumElements()) * (1 - share);
      }
    }
    separate(own);
    for (Operation *user : value.getUsers()) {
      llvm::append_range(perOp[user], own);
    }
    if (Operation *op = value.getDefiningOp()) {
      llvm::append_range(perOp[op], own);
    }
  }
  for (auto &[op, ids] : perOp) {
    auto generic = dyn_cast<linalg::GenericOp>(op);
    if (generic && !getContraction(generic)) {
      separate(ids);
    }
  }
  SmallVector<unsigned> order;
  for (unsigned id = 0; id < parent.size(); ++id) {
    if (find(id) == id && !classes[id].isBad && classes[id].gain > 0) {
      order.push_back(id);
    }
  }
  llvm::stable_sort(order,
                    [&](unsigned a, unsigned b) { return classes[a].gain > classes[b].gain; });
  for (unsigned id : order) {
    classes[id].isChosen = llvm::none_of(classes[id].conflicts,
                                         [&](unsigned other) { return classes[other].isChosen; });
  }
}

int64_t LaneAssignment::getDim(Value value) const {
  for (int64_t d = 0; d < typeOf(value).getRank(); ++d) {
    std::optional<unsigned> id = getClass(value, d);
    if (id && classes[*id].isChosen) {
      return d;
    }
  }
  return -1;
}

int64_t LaneAssignment::getLoop(linalg::GenericOp op) const {
  for (OpOperand &operand : op->getOpOperands()) {
    Value value = op.isDpsInit(&operand) ? Value(op.getTiedOpResult(&operand)) : operand.get();
    int64_t dim = first.contains(value) ? getDim(value) : -1;
    if (dim >= 0) {
      return cast<AffineDimExpr>(op.getMatchingIndexingMap(&operand).getResult(unsigned(dim)))
          .getPosition();
    }
  }
  return -1;
}

} // namespace lpu::nest_lowering
