//===- ChainBuilder.h - Chains, written from their cycles -------*- C++ -*-===//
#ifndef LPU_LIB_CONVERSION_LPUTOSTREAM_CHAINBUILDER_H
#define LPU_LIB_CONVERSION_LPUTOSTREAM_CHAINBUILDER_H

#include "Stream/IR/StreamDialect.h"
#include "mlir/IR/Builders.h"

namespace lpu::stream_lowering {

/// Repeat of an instruction: n inner issues d cycles apart, m outer ones e apart.
struct Repeated {
  int64_t n = 1, d = 1, m = 1, e = 0;
};

/// [i, j] strides by field name.
using Strides = llvm::ArrayRef<std::pair<llvm::StringRef, std::array<int64_t, 2>>>;

/// Fields of an instruction by name: text for enumerations, numbers else.
class Fields {
public:
  Fields &set(llvm::StringRef name, llvm::StringRef value) {
    list.push_back({name.str(), value.str(), 0});
    return *this;
  }
  Fields &set(llvm::StringRef name, int64_t value) {
    list.push_back({name.str(), {}, value});
    return *this;
  }
  Fields &setFloat(llvm::StringRef name, float value) {
    return set(name, int64_t(llvm::bit_cast<uint32_t>(value)));
  }
  /// The instruction that they make; nothing, and `wrong` has its name, when one is
  /// unknown or has a value that it cannot have.
  std::optional<Instruction> get(llvm::StringRef mnemonic, std::string &wrong) const;

private:
  struct Field {
    std::string name, text;
    int64_t number;
  };
  llvm::SmallVector<Field, 8> list;
};

/// Writes one chain. Cycles are relative to any origin; `finish` moves the
/// first issue to offset 0.
class ChainBuilder {
public:
  /// Opens a chain called `name` at the end of `program`.
  ChainBuilder(mlir::stream::ProgramOp program, mlir::Location location,
               llvm::StringRef name, const Target &target);

  const Target &getTarget() const { return target; }
  /// Cycles of what follows count from `cycle`.
  void setOrigin(int64_t cycle) { origin = cycle; }
  Fields fields() const { return {}; }
  mlir::Type flow(mlir::stream::Direction direction, unsigned width) {
    return mlir::stream::FlowType::get(builder.getContext(), direction, width);
  }
  mlir::Type mesh() { return mlir::stream::MeshType::get(builder.getContext()); }
  mlir::Type partial() {
    return mlir::stream::PartialType::get(builder.getContext());
  }
  /// From column `from` towards column `to`.
  static mlir::stream::Direction direction(unsigned from, unsigned to) {
    return from < to ? mlir::stream::Direction::East
                     : mlir::stream::Direction::West;
  }

  mlir::stream::IssueOp issue(llvm::StringRef mnemonic, llvm::StringRef queue,
                              int64_t cycle, const Fields &fields,
                              mlir::ValueRange operands, mlir::TypeRange results,
                              Repeated repeated = {}, Strides strides = {});

  /// Reads a word of `slice` so that it is at `column` in cycle `cycle`.
  mlir::Value readFor(unsigned column, int64_t cycle, unsigned slice,
                      int64_t bank, int64_t word, Repeated repeated = {},
                      Strides strides = {});
  /// Writes id `index` of `value`, driven at `column` in cycle `cycle`, to a word.
  void writeFrom(unsigned column, int64_t cycle, mlir::Value value,
                 int64_t index, unsigned slice, int64_t bank, int64_t word,
                 Repeated repeated = {}, Strides strides = {});
  mlir::Value bundle(mlir::ValueRange values);
  /// Id `index` of `value`.
  mlir::Value part(mlir::Value value, int64_t index);
  /// Flows on the same ids, each for some issues of a repeated consumer.
  mlir::Value merge(mlir::ValueRange values);

  void finish();

private:
  const Target &target;
  mlir::OpBuilder builder;
  mlir::stream::ChainOp chain;
  int64_t origin = 0;
};

} // namespace lpu::stream_lowering

#endif // LPU_LIB_CONVERSION_LPUTOSTREAM_CHAINBUILDER_H
