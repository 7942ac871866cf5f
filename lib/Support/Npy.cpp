//===- Npy.cpp - NumPy's .npy files ---------------------------------------===//
#include "lpu/Support/Npy.h"
#include "lpu/Support/AtomicFile.h"
#include "absl/strings/str_cat.h"
#include <cerrno>
#include <cstring>
#include <fstream>
#include <istream>
#include <limits>

using namespace lpu;

namespace {
constexpr std::string_view kMagic("\x93NUMPY", 6);
/// A header is a short dictionary; anything longer is not one of ours.
constexpr uint64_t kMaxHeader = 1 << 20;

/// The text after `'key':` in the header's dictionary, blanks skipped.
std::string_view valueOf(std::string_view header, std::string_view key) {
  std::string quoted = "'" + std::string(key) + "'";
  size_t at = header.find(quoted);
  if (at == std::string_view::npos) {
    return {};
  }
  at = header.find(':', at + quoted.size());
  if (at == std::string_view::npos) {
    return {};
  }
  at = header.find_first_not_of(" ", at + 1);
  return at == std::string_view::npos ? std::string_view() : header.substr(at);
}

bool parseShape(std::string_view text, std::vector<int64_t> &shape) {
  if (text.empty() || text.front() != '(') {
    return false;
  }
  text.remove_prefix(1);
  while (true) {
    size_t at = text.find_first_not_of(" ,L");
    if (at == std::string_view::npos) {
      return false;
    }
    text.remove_prefix(at);
    if (text.front() == ')') {
      return true;
    }
    int64_t value = 0;
    size_t digits = 0;
    while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9' &&
           digits < 18) {
      value = value * 10 + (text[digits++] - '0');
    }
    if (digits == 0) {
      return false;
    }
    shape.push_back(value);
    text.remove_prefix(digits);
  }
}

absl::Status parseHeader(std::string_view header, const std::string &path,
                         NpyArray &array) {
  std::string_view descr = valueOf(header, "descr");
  size_t end = descr.size() < 2 ? std::string_view::npos : descr.find('\'', 1);
  if (descr.empty() || descr.front() != '\'' || end == std::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": expected a plain element type in 'descr'"));
  }
  array.descr = std::string(descr.substr(1, end - 1));
  if (array.elementBytes() == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": expected a little-endian element type, got '", array.descr,
        "'"));
  }
  if (valueOf(header, "fortran_order").substr(0, 5) != "False") {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": expected a C-ordered array"));
  }
  if (!parseShape(valueOf(header, "shape"), array.shape)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": expected a tuple in 'shape'"));
  }
  return absl::OkStatus();
}
} // namespace

unsigned NpyArray::elementBytes() const {
  if (descr.size() != 3 || (descr[0] != '<' && descr[0] != '|') ||
      std::string_view("fiubc").find(descr[1]) == std::string_view::npos) {
    return 0;
  }
  return unsigned(std::string_view("0123456789").find(descr[2]) % 10);
}

int64_t NpyArray::numElements() const {
  int64_t count = 1;
  for (int64_t extent : shape) {
    if (extent != 0 && count > std::numeric_limits<int64_t>::max() / extent) {
      return -1;
    }
    count *= extent;
  }
  return count;
}

absl::StatusOr<NpyArray> lpu::readNpy(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return absl::NotFoundError(
        absl::StrCat(path, ": cannot open: ", std::strerror(errno)));
  }
  return readNpy(file, path);
}

absl::StatusOr<NpyArray> lpu::readNpy(std::istream &file, const std::string &path) {
  char start[12] = {};
  file.read(start, 10);
  if (file.gcount() != 10 ||
      std::string_view(start, 6) != kMagic || start[6] < 1 || start[6] > 3) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": expected a .npy file of format 1 to 3"));
  }
  bool wide = start[6] > 1;
  if (wide) {
    file.read(start + 10, 2);
  }
  uint64_t length = 0;
  for (int i = wide ? 3 : 1; i >= 0; --i) {
    length = length << 8 | uint8_t(start[8 + i]);
  }
  if (!file || length > kMaxHeader) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": expected a .npy header"));
  }
  std::string header(length, '\0');
  file.read(header.data(), std::streamsize(length));
  if (uint64_t(file.gcount()) != length) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": the header is cut short"));
  }
  NpyArray array;
  if (absl::Status status = parseHeader(header, path, array); !status.ok()) {
    return status;
  }
  std::streamoff dataStart = file.tellg();
  file.seekg(0, std::ios::end);
  uint64_t available = uint64_t(std::streamoff(file.tellg()) - dataStart);
  file.seekg(dataStart);
  int64_t elements = array.numElements();
  if (elements < 0 || uint64_t(elements) > available / array.elementBytes()) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": expected ", elements, " elements of ", array.elementBytes(),
        " bytes, got ", available, " bytes"));
  }
  array.bytes.resize(uint64_t(elements) * array.elementBytes());
  file.read(reinterpret_cast<char *>(array.bytes.data()),
            std::streamsize(array.bytes.size()));
  return array;
}

absl::Status lpu::writeNpy(const NpyArray &array, const std::string &path) {
  std::string header =
      absl::StrCat("{'descr': '", array.descr,
                   "', 'fortran_order': False, 'shape': (");
  for (int64_t extent : array.shape) {
    absl::StrAppend(&header, extent, ",");
  }
  header += "), }";
  // The data start on a multiple of 64 bytes, as NumPy writes them.
  size_t total = (10 + header.size() + 1 + 63) / 64 * 64;
  header.append(total - 10 - header.size() - 1, ' ');
  header += '\n';
  AtomicFile file(path);
  char start[4] = {1, 0, char(header.size() & 255), char(header.size() >> 8)};
  file.write(kMagic.data(), kMagic.size());
  file.write(start, 4);
  file.write(header.data(), header.size());
  file.write(array.bytes.data(), array.bytes.size());
  return file.commit();
}
