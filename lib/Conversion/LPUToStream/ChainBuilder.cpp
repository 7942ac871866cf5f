//===- ChainBuilder.cpp - Chains, written from their cycles ---------------===//

#include "ChainBuilder.h"

using namespace lpu;
using namespace lpu::stream_lowering;
using namespace mlir;
using mlir::stream::BundleOp;
using mlir::stream::ChainOp;
using mlir::stream::stringifyDirection;
using mlir::stream::FlowType;
using mlir::stream::IssueOp;

ChainBuilder::ChainBuilder(mlir::stream::ProgramOp program, Location location,
                           StringRef name, const Target &target)
    : target(target), builder(program.getContext()) {
  builder.setInsertionPointToEnd(&program.getBody().front());
  chain = ChainOp::create(builder, location, name, IntegerAttr());
  chain.getBody().emplaceBlock();
  builder.setInsertionPointToEnd(&chain.getBody().front());
}

IssueOp ChainBuilder::issue(StringRef mnemonic, StringRef queue, int64_t cycle,
                            const Fields &fields, ValueRange operands,
                            TypeRange results, Repeated repeated,
                            Strides strides) {
  DenseI64ArrayAttr repeat;
  DictionaryAttr strideAttr;
  if (repeated.n > 1 || repeated.m > 1) {
    repeat = builder.getDenseI64ArrayAttr(
        {repeated.n, repeated.d, repeated.m, repeated.e});
    NamedAttrList list;
    for (const auto &[name, stride] : strides) {
      if (stride[0] != 0 || stride[1] != 0) {
        list.set(name, builder.getDenseI64ArrayAttr(stride));
      }
    }
    if (!list.empty()) {
      strideAttr = list.getDictionary(builder.getContext());
    }
  }
  return IssueOp::create(builder, chain.getLoc(), results,
                         builder.getStringAttr(mnemonic),
                         builder.getStringAttr(queue),
                         builder.getI64IntegerAttr(cycle), fields.get(), repeat,
                         strideAttr, DenseI64ArrayAttr(), IntegerAttr(), operands);
}

Value ChainBuilder::readFor(unsigned column, int64_t cycle, unsigned slice,
                            int64_t bank, int64_t word, Repeated repeated,
                            Strides strides) {
  unsigned from = target.sliceColumn(slice);
  auto dir = direction(from, column);
  int64_t distance = std::abs(int64_t(from) - int64_t(column));
  Fields f = fields();
  f.set("r", "linear").set("r_bank", bank).set("r_addr", word).set(
      "r_dir", stringifyDirection(dir));
  return issue("mem", target.queueName({UnitKind::Mem, uint16_t(slice)}),
               cycle - distance - int64_t(target.latencies().read()), f, {},
               flow(dir, 1), repeated, strides)
      .getResult(0);
}

void ChainBuilder::writeFrom(unsigned column, int64_t cycle, Value value,
                             int64_t index, unsigned slice, int64_t bank,
                             int64_t word, Repeated repeated, Strides strides) {
  unsigned to = target.sliceColumn(slice);
  auto dir = direction(column, to);
  int64_t distance = std::abs(int64_t(to) - int64_t(column));
  Fields f = fields();
  f.set("w", "linear").set("w_bank", bank).set("w_addr", word).set(
      "w_dir", stringifyDirection(dir));
  issue("mem", target.queueName({UnitKind::Mem, uint16_t(slice)}), cycle + distance, f,
        part(value, index), {}, repeated, strides);
}

Value ChainBuilder::part(Value value, int64_t index) {
  auto type = cast<FlowType>(value.getType());
  return type.getWidth() == 1
             ? value
             : mlir::stream::PartOp::create(builder, chain.getLoc(),
                                            flow(type.getDirection(), 1), value,
                                            builder.getI64IntegerAttr(index));
}

Value ChainBuilder::bundle(ValueRange values) {
  if (values.size() == 1) {
    return values.front();
  }
  unsigned width = 0;
  for (Value value : values) {
    width += cast<FlowType>(value.getType()).getWidth();
  }
  auto dir = cast<FlowType>(values.front().getType()).getDirection();
  return BundleOp::create(builder, chain.getLoc(), flow(dir, width), values);
}

Value ChainBuilder::merge(ValueRange values) {
  return mlir::stream::MergeOp::create(builder, chain.getLoc(), values.front().getType(),
                                       values);
}

void ChainBuilder::finish() {
  int64_t first = INT64_MAX;
  for (IssueOp op : chain.getBody().getOps<IssueOp>()) {
    first = std::min(first, int64_t(op.getOffset()));
  }
  for (IssueOp op : chain.getBody().getOps<IssueOp>()) {
    op.setOffset(uint64_t(int64_t(op.getOffset()) - first));
  }
}
