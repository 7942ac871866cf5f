//===- Bindings.cpp - The words of a tensor -------------------------------===//

#include "lpu/Binary/Bindings.h"
#include "absl/strings/str_cat.h"
#include "lpu/Support/Elements.h"
#include "lpu/Support/Strings.h"

namespace lpu {
namespace {

/// More than any machine has: sums of products of such numbers fit 128 bits.
constexpr int64_t kMost = int64_t(1) << 40;

absl::Status fail(const std::string &what) { return absl::InvalidArgumentError(what); }

absl::Status checkLayout(const TensorBinding &binding, unsigned lanes, bool isInput) {
  const Layout &layout = binding.layout();
  int rank = binding.shape_size(), lane = layout.lane_dim();
  if (layout.word_strides_size() != rank) {
    return fail(absl::StrCat("expected ", rank, " word strides, got ", layout.word_strides_size()));
  }
  if (lane < -1 || lane >= rank) {
    return fail(
        absl::StrCat("expected a dimension along lanes of -1 to ", rank - 1, ", got ", lane));
  }
  if (layout.words() > uint64_t(kMost)) {
    return fail(absl::StrCat("expected at most ", kMost, " words, got ", layout.words()));
  }
  __int128 least = layout.offset(), most = layout.offset();
  bool isEmpty = false;
  auto extend = [&](int64_t stride, int64_t extent, absl::string_view what) {
    if (isInput && extent > 1 && stride == 0) {
      return fail(absl::StrCat(what, ": elements of an input lie in one another's place"));
    }
    __int128 distance = __int128(stride) * (extent - 1);
    (stride < 0 ? least : most) += distance;
    return absl::OkStatus();
  };
  for (int d = 0; d < rank; ++d) {
    int64_t extent = binding.shape(d);
    isEmpty |= extent == 0;
    absl::Status status =
        extent == 0 ? absl::OkStatus()
        : d == lane ? extend(layout.vector_stride(), (extent - 1) / lanes + 1, "vector stride")
                    : extend(layout.word_strides(d), extent, absl::StrCat("dimension ", d));
    if (!status.ok()) {
      return status;
    }
  }
  if (!isEmpty && (least < 0 || most >= __int128(layout.words()))) {
    return fail(absl::StrCat("elements lie in words ", int64_t(least), " to ", int64_t(most),
                             " of ", layout.words()));
  }
  return absl::OkStatus();
}

} // namespace

absl::Status checkBinding(const TensorBinding &binding, unsigned lanes, bool isInput) {
  if (!ElementType_IsValid(binding.type()) || !ElementType_IsValid(binding.stored_as())) {
    return fail("unknown element type");
  }
  if (isFloatType(binding.type()) != isFloatType(binding.stored_as())) {
    return fail(absl::StrCat(toAbsl(elementTypeName(binding.type())), " cannot be stored as ",
                             toAbsl(elementTypeName(binding.stored_as()))));
  }
  __int128 elements = 1;
  for (int64_t extent : binding.shape()) {
    if (extent < 0) {
      return fail(absl::StrCat("extent ", extent));
    }
    elements *= extent;
    if (elements > kMost) {
      return fail("expected a tensor that fits the chip");
    }
  }
  if (binding.has_layout()) {
    if (absl::Status status = checkLayout(binding, lanes, isInput); !status.ok()) {
      return status;
    }
  }
  uint64_t words = countWords(binding), chunk = binding.chunk_words();
  uint64_t planes = chunk ? (words + chunk - 1) / chunk : words != 0;
  planes *= elementBytes(binding.stored_as());
  if (uint64_t(binding.byte_planes_size()) != planes && words != 0) {
    return fail(
        absl::StrCat("expected ", planes, " byte planes, got ", binding.byte_planes_size()));
  }
  return absl::OkStatus();
}

uint64_t countWords(const TensorBinding &binding) {
  return binding.has_layout() ? binding.layout().words()
         : binding.rows() ? uint64_t(binding.rows() - 1) * binding.row_stride() + binding.vectors()
                          : 0;
}

BytePlane locateWord(const TensorBinding &binding, unsigned byte, uint64_t word) {
  uint64_t chunk = binding.chunk_words();
  uint64_t plane = byte + (chunk ? word / chunk * elementBytes(binding.stored_as()) : 0);
  BytePlane place = binding.byte_planes(int(plane));
  place.set_first(uint32_t(place.first() + (chunk ? word % chunk : word)));
  return place;
}

} // namespace lpu
