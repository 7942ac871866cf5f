//===- AssemblyWords.h - Assembly text line by line -------------*- C++ -*-===//
#ifndef LPU_LIB_BINARY_ASSEMBLYWORDS_H
#define LPU_LIB_BINARY_ASSEMBLYWORDS_H

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include <string>
#include <string_view>
#include <vector>

namespace lpu {

/// The words of a line, one after another, and the first error of the text. After an
/// error, words are empty and numbers 0.
class AssemblyWords {
protected:
  struct Word {
    std::string text; ///< a quoted string is one word, without its quotes
    size_t column;
  };

  explicit AssemblyWords(std::string_view file) : file(file) {}

  /// An error at the word that comes next.
  void fail(std::string message);
  /// Takes the next line of the text. Returns false where a quote is not closed.
  bool readWords(absl::string_view lineText);

  bool atEnd() const { return at >= words.size(); }
  void checkEnd();
  std::string next(const char *what);
  void expect(const char *word);
  bool accept(const char *word);
  int64_t nextInteger(const char *what);
  /// Of a part of the word that was read last.
  int64_t parseInteger(absl::string_view word, const char *what);
  /// Index of the next word in `names`.
  template <size_t N> int nextName(const std::string_view (&names)[N], const char *what) {
    std::string word = next(what);
    for (size_t i = 0; i < N; ++i) {
      if (names[i] == word) {
        return int(i);
      }
    }
    if (status.ok()) {
      --at;
      fail(std::string("expected ") + what + ", got `" + word + "`");
    }
    return 0;
  }

  std::string_view file;
  std::vector<Word> words;
  size_t at = 0; ///< of the word that comes next
  int line = 0;
  absl::Status status;
};

} // namespace lpu

#endif // LPU_LIB_BINARY_ASSEMBLYWORDS_H
