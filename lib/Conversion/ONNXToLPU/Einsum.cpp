//===- Einsum.cpp - Sums of products by subscripts ------------------------===//

#include "Terms.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using mlir::onnx::NodeOp;
using namespace ::lpu::onnx_lowering;

namespace {

/// One label a dimension: letters, and below zero those of an ellipsis, -1 the last one.
using Labels = SmallVector<int>;

struct Equation {
  SmallVector<Labels> inputs;
  Labels result;
};

/// "subscripts of input 1 do not fit its rank" where the equation does not fit the inputs.
std::string parse(NodeOp op, Equation &equation) {
  std::string text = getString(op, "equation", "").str();
  llvm::erase(text, ' ');
  auto [left, right] = StringRef(text).split("->");
  bool isExplicit = StringRef(text).contains("->");
  SmallVector<StringRef> terms;
  left.split(terms, ',');
  if (terms.size() != op.getInputs().size()) {
    return "equation has not one term for each input";
  }
  int most = 0;
  auto read = [&](StringRef term, int64_t rank, Labels &labels) {
    size_t dots = term.find("...");
    int64_t letters = int64_t(term.size()) - (dots == StringRef::npos ? 0 : 3);
    int64_t others = dots == StringRef::npos ? 0 : rank - letters;
    for (size_t k = 0; k < term.size(); ++k) {
      if (k == dots) {
        for (int64_t each = others; each > 0; --each) {
          labels.push_back(int(-each));
        }
        most = std::max(most, int(others));
        k += 2;
      } else if (llvm::isAlpha(term[k])) {
        labels.push_back(term[k]);
      } else {
        return false;
      }
    }
    return others >= 0 && int64_t(labels.size()) == rank;
  };
  for (auto [index, term] : llvm::enumerate(terms)) {
    if (!read(term, typeOf(op.getInputs()[index]).getRank(), equation.inputs.emplace_back())) {
      return ("subscripts of input " + Twine(index) + " do not fit its rank").str();
    }
  }
  if (isExplicit) {
    int64_t letters = int64_t(right.size()) - (right.contains("...") ? 3 : 0);
    int64_t rank = letters + (right.contains("...") ? most : 0);
    return read(right, rank, equation.result) ? "" : "equation has no such result";
  }
  // The ellipsis, then letters that occur once in their order.
  for (int each = most; each > 0; --each) {
    equation.result.push_back(-each);
  }
  SmallVector<int> all;
  for (const Labels &labels : equation.inputs) {
    llvm::append_range(all, labels);
  }
  llvm::sort(all);
  for (int label : all) {
    if (label > 0 && llvm::count(all, label) == 1) {
      equation.result.push_back(label);
    }
  }
  return "";
}

std::string whyNotEinsum(NodeOp op) {
  std::string reason = whyNotRanked(op);
  Equation equation;
  reason = reason.empty() ? parse(op, equation) : reason;
  if (!reason.empty()) {
    return reason;
  }
  for (int label : equation.result) {
    if (llvm::count(equation.result, label) > 1) {
      return "equation has a label twice in its result";
    }
    if (llvm::none_of(equation.inputs,
                      [&](const Labels &labels) { return llvm::is_contained(labels, label); })) {
      return "equation has a label in its result alone";
    }
  }
  return "";
}

/// The product of one or two tensors, summed over every label that is not in `result`.
Value multiply(ImplicitLocOpBuilder &b, ArrayRef<std::pair<Value, Labels>> terms,
               const Labels &result) {
  SmallVector<int> loops(result);
  SmallVector<int64_t> extents(result.size(), 1);
  for (const auto &[value, labels] : terms) {
    for (auto [label, extent] : llvm::zip_equal(labels, shapeOf(value))) {
      auto found = llvm::find(loops, label);
      if (found == loops.end()) {
        loops.push_back(label);
        extents.push_back(extent);
      } else if (extent != 1) {
        extents[size_t(found - loops.begin())] = extent;
      }
    }
  }
  SmallVector<Read> reads;
  for (const auto &[value, labels] : terms) {
    Read &read = reads.emplace_back(Read{value, {}});
    for (auto [label, extent] : llvm::zip_equal(labels, shapeOf(value))) {
      size_t at = size_t(llvm::find(loops, label) - loops.begin());
      read.at.push_back(extent == 1 && extents[at] != 1 ? b.getAffineConstantExpr(0) : loop(b, at));
    }
  }
  return overLoops(b, extents, reads,
                   llvm::to_vector(llvm::seq<unsigned>(0, unsigned(result.size()))), Join::Add,
                   elementOf(terms[0].first), [](ImplicitLocOpBuilder &in, ValueRange x) {
                     return x.size() == 1 ? x[0] : mul(in, x[0], x[1]);
                   });
}

SmallVector<Value> convertEinsum(NodeOp op, ValueRange inputs, ImplicitLocOpBuilder &b) {
  Equation equation;
  parse(op, equation);
  std::pair<Value, Labels> so{inputs[0], equation.inputs[0]};
  // Two at a time: labels that nothing after needs are summed over at once.
  for (size_t next = 1; next < inputs.size(); ++next) {
    std::pair<Value, Labels> term{inputs[next], equation.inputs[next]};
    Labels kept;
    if (next + 1 == inputs.size()) {
      kept = equation.result;
    } else {
      SmallVector<int> needed(equation.result);
      for (const Labels &later : ArrayRef(equation.inputs).drop_front(next + 1)) {
        llvm::append_range(needed, later);
      }
      for (const Labels &labels : {so.second, term.second}) {
        for (int label : labels) {
          if (llvm::is_contained(needed, label) && !llvm::is_contained(kept, label)) {
            kept.push_back(label);
          }
        }
      }
    }
    so = {multiply(b, {so, term}, kept), kept};
  }
  return {inputs.size() == 1 ? multiply(b, so, equation.result) : so.first};
}

} // namespace

namespace lpu::onnx_lowering {
ArrayRef<Rule> getEinsumRules() {
  static const Rule rules[] = {
      {"", "Einsum", 12, whyNotEinsum, convertEinsum},
  };
  return rules;
}
} // namespace lpu::onnx_lowering
