//===- Npz.cpp - NumPy's .npz archives ------------------------------------===//
//
// A .npz file is a zip archive of .npy files. The central directory at its end
// says where each lies.
//
//===----------------------------------------------------------------------===//
#include "absl/strings/str_cat.h"
#include "lpu/Support/Npy.h"
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <zlib.h>

using namespace lpu;

namespace {

constexpr size_t kEndBytes = 22, kEntryBytes = 46, kLocalBytes = 30;
/// No array of a calibration file is larger.
constexpr uint64_t kMaxArray = uint64_t(1) << 32;

/// Little-endian fields of the archive; 0 past its end.
class Archive {
public:
  explicit Archive(std::string bytes) : bytes(std::move(bytes)) {}
  uint64_t get(size_t at, unsigned size) const {
    uint64_t value = 0;
    for (unsigned i = size; i-- > 0;) {
      value = value << 8 | (at + i < bytes.size() ? uint8_t(bytes[at + i]) : 0);
    }
    return value;
  }
  bool holds(size_t at, size_t size) const {
    return at <= bytes.size() && size <= bytes.size() - at;
  }
  std::string_view view(size_t at, size_t size) const {
    return std::string_view(bytes).substr(at, size);
  }
  /// The end of the central directory: last, but for a comment.
  size_t findEnd() const { return bytes.rfind("PK\x05\x06"); }

private:
  std::string bytes;
};

absl::StatusOr<std::string> inflateEntry(std::string_view packed, uint64_t size,
                                         const std::string &name) {
  std::string data(size, '\0');
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) {
    return absl::InternalError(absl::StrCat(name, ": zlib does not start"));
  }
  stream.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(packed.data()));
  stream.avail_in = uInt(packed.size());
  stream.next_out = reinterpret_cast<Bytef *>(data.data());
  stream.avail_out = uInt(data.size());
  int result = inflate(&stream, Z_FINISH);
  bool whole = result == Z_STREAM_END && stream.avail_out == 0;
  inflateEnd(&stream);
  if (!whole) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": the compressed data are damaged"));
  }
  return data;
}

absl::StatusOr<std::string> readEntry(const Archive &archive, size_t entry,
                                      const std::string &name) {
  uint64_t method = archive.get(entry + 10, 2), packed = archive.get(entry + 20, 4);
  uint64_t size = archive.get(entry + 24, 4), local = archive.get(entry + 42, 4);
  if (packed == 0xffffffff || size == 0xffffffff || local == 0xffffffff || size >= kMaxArray) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": expected less than 4 GiB"));
  }
  size_t start = local + kLocalBytes + archive.get(local + 26, 2) + archive.get(local + 28, 2);
  if (!archive.holds(start, packed) || archive.get(local, 4) != 0x04034b50) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": the archive is cut short"));
  }
  std::string_view bytes = archive.view(start, packed);
  if (method == 8) {
    return inflateEntry(bytes, size, name);
  }
  if (method != 0 || packed != size) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": expected stored or deflated data, got method ", method));
  }
  return std::string(bytes);
}

} // namespace

absl::StatusOr<std::map<std::string, NpyArray>> lpu::readNpz(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return absl::NotFoundError(absl::StrCat(path, ": cannot open: ", std::strerror(errno)));
  }
  Archive archive(std::string{std::istreambuf_iterator<char>(file), {}});
  size_t end = archive.findEnd();
  if (end == std::string::npos || !archive.holds(end, kEndBytes)) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": expected a .npz archive"));
  }
  std::map<std::string, NpyArray> arrays;
  size_t entry = archive.get(end + 16, 4);
  for (uint64_t i = 0, count = archive.get(end + 10, 2); i < count; ++i) {
    size_t nameSize = archive.get(entry + 28, 2);
    if (archive.get(entry, 4) != 0x02014b50 || !archive.holds(entry + kEntryBytes, nameSize)) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": the directory is damaged"));
    }
    std::string name(archive.view(entry + kEntryBytes, nameSize));
    std::string label = absl::StrCat(path, ": ", name);
    absl::StatusOr<std::string> bytes = readEntry(archive, entry, label);
    if (!bytes.ok()) {
      return bytes.status();
    }
    std::istringstream stream(std::move(*bytes));
    absl::StatusOr<NpyArray> array = readNpy(stream, label);
    if (!array.ok()) {
      return array.status();
    }
    if (name.ends_with(".npy")) {
      name.resize(name.size() - 4);
    }
    arrays[name] = std::move(*array);
    entry += kEntryBytes + nameSize + archive.get(entry + 30, 2) + archive.get(entry + 32, 2);
  }
  return arrays;
}
