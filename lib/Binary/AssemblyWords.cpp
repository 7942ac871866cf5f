//===- AssemblyWords.cpp - Assembly text line by line ---------------------===//

#include "AssemblyWords.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "lpu/Support/Strings.h"

using namespace lpu;

void AssemblyWords::fail(std::string message) {
  if (status.ok()) {
    size_t column = at < words.size() ? words[at].column : 1;
    status = absl::InvalidArgumentError(
        absl::StrCat(toAbsl(file), ":", line, ":", column, ": ", message));
  }
}

bool AssemblyWords::readWords(absl::string_view lineText) {
  ++line;
  words.clear();
  at = 0;
  for (size_t i = 0; i < lineText.size();) {
    char c = lineText[i];
    if (c == ' ' || c == '\t' || c == '\r') {
      ++i;
      continue;
    }
    if (c == '#') {
      break;
    }
    size_t start = i;
    if (c == '"') {
      size_t end = lineText.find('"', i + 1);
      if (end == absl::string_view::npos) {
        fail("expected a closing quote");
        return false;
      }
      words.push_back({std::string(lineText.substr(i + 1, end - i - 1)), start + 1});
      i = end + 1;
      continue;
    }
    while (i < lineText.size() && lineText[i] != ' ' && lineText[i] != '\t' &&
           lineText[i] != '\r' && lineText[i] != '#') {
      ++i;
    }
    words.push_back({std::string(lineText.substr(start, i - start)), start + 1});
  }
  return true;
}

std::string AssemblyWords::next(const char *what) {
  if (atEnd()) {
    fail(absl::StrCat("expected ", what, " at the end of the line"));
    return {};
  }
  return words[at++].text;
}

void AssemblyWords::expect(const char *word) {
  if (!atEnd() && words[at].text == word) {
    ++at;
    return;
  }
  fail(absl::StrCat("expected `", word, "`, got ",
                    atEnd() ? "the end of the line" : absl::StrCat("`", words[at].text, "`")));
}

bool AssemblyWords::accept(const char *word) {
  if (!atEnd() && words[at].text == word) {
    ++at;
    return true;
  }
  return false;
}

int64_t AssemblyWords::parseInteger(absl::string_view word, const char *what) {
  int64_t value = 0;
  uint64_t hex = 0;
  if (absl::SimpleAtoi(word, &value)) {
    return value;
  }
  if (word.size() > 2 && word.substr(0, 2) == "0x" && absl::SimpleHexAtoi(word, &hex)) {
    return int64_t(hex);
  }
  --at;
  fail(absl::StrCat("expected ", what, ", got `", word, "`"));
  return 0;
}

int64_t AssemblyWords::nextInteger(const char *what) {
  std::string word = next(what);
  return status.ok() ? parseInteger(word, what) : 0;
}

void AssemblyWords::checkEnd() {
  if (status.ok() && !atEnd()) {
    fail(absl::StrCat("expected the end of the line, got `", words[at].text, "`"));
  }
}
