//===- AluOps.cpp - Scalar operations as ALU operations -------------------===//

#include "AluOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace lpu::stream_lowering {
namespace {

AluOperation compare(arith::CmpFPredicate predicate) {
  switch (predicate) {
  case arith::CmpFPredicate::OEQ:
    return {"cmpeq"};
  case arith::CmpFPredicate::OLT:
    return {"cmplt"};
  case arith::CmpFPredicate::OLE:
    return {"cmple"};
  case arith::CmpFPredicate::OGT:
    return {"cmplt", true};
  case arith::CmpFPredicate::OGE:
    return {"cmple", true};
  default:
    return {};
  }
}

AluOperation compare(arith::CmpIPredicate predicate) {
  switch (predicate) {
  case arith::CmpIPredicate::eq:
    return {"cmpeq"};
  case arith::CmpIPredicate::slt:
    return {"cmplt"};
  case arith::CmpIPredicate::sle:
    return {"cmple"};
  case arith::CmpIPredicate::sgt:
    return {"cmplt", true};
  case arith::CmpIPredicate::sge:
    return {"cmple", true};
  default:
    return {};
  }
}

bool isBit(Value value) { return value.getType().isInteger(1); }

} // namespace

AluOperation getAluOperation(Operation &op) {
  return llvm::TypeSwitch<Operation *, AluOperation>(&op)
      .Case<arith::AddFOp, arith::AddIOp>([](auto) { return AluOperation{"add"}; })
      .Case<arith::SubFOp, arith::SubIOp>([](auto) { return AluOperation{"sub"}; })
      .Case<arith::MulFOp, arith::MulIOp>([](auto) { return AluOperation{"mul"}; })
      .Case<arith::MaximumFOp, arith::MaxSIOp>([](auto) { return AluOperation{"max"}; })
      .Case<arith::MinimumFOp, arith::MinSIOp>([](auto) { return AluOperation{"min"}; })
      .Case([](arith::NegFOp) { return AluOperation{"neg"}; })
      .Case<math::AbsFOp, math::AbsIOp>([](auto) { return AluOperation{"abs"}; })
      .Case([](math::FmaOp) { return AluOperation{"fma"}; })
      .Case([](math::Exp2Op) { return AluOperation{"exp2"}; })
      .Case([](math::Log2Op) { return AluOperation{"log2"}; })
      .Case([](math::TanhOp) { return AluOperation{"tanh"}; })
      .Case([](math::RsqrtOp) { return AluOperation{"rsqrt"}; })
      .Case([](arith::SelectOp) { return AluOperation{"select"}; })
      .Case([](arith::AndIOp) { return AluOperation{"and"}; })
      .Case([](arith::OrIOp) { return AluOperation{"or"}; })
      .Case([](arith::XOrIOp) { return AluOperation{"xor"}; })
      .Case([](arith::ShLIOp) { return AluOperation{"shl"}; })
      .Case([](arith::ShRSIOp) { return AluOperation{"shr"}; })
      .Case([](arith::SIToFPOp) { return AluOperation{"i2f"}; })
      // A bool is 1 or 0 in every lane already.
      .Case([](arith::UIToFPOp convert) {
        return isBit(convert.getIn()) ? AluOperation{"i2f"} : AluOperation{};
      })
      .Case([](arith::ExtUIOp extend) {
        return isBit(extend.getIn()) ? AluOperation{"", false, true} : AluOperation{};
      })
      .Case([](arith::BitcastOp) { return AluOperation{"bits"}; })
      .Case([](arith::CmpFOp op) { return compare(op.getPredicate()); })
      .Case([](arith::CmpIOp op) { return compare(op.getPredicate()); })
      .Default([](Operation *) { return AluOperation{}; });
}

int64_t getAluLatency(StringRef name, const Target &target) {
  return llvm::StringSwitch<bool>(name)
                 .Cases({"exp2", "log2", "tanh", "rsqrt", "rcp"}, true)
                 .Default(false)
             ? target.latencies().alu_transcendental()
             : target.latencies().alu();
}

} // namespace lpu::stream_lowering
