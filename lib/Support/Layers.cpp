//===- Layers.cpp - Layers of a model, by name ----------------------------===//

#include "lpu/Support/Layers.h"
#include <algorithm>
#include <cctype>

std::string lpu::getLayerName(const std::string &name) {
  for (size_t begin = 0; begin < name.size();) {
    size_t end = std::min(name.find_first_of("./", begin), name.size());
    bool isNumber = end > begin && begin > 0 && end < name.size() &&
                    std::all_of(name.begin() + begin, name.begin() + end,
                                [](unsigned char c) { return std::isdigit(c); });
    if (isNumber) {
      return name.substr(0, end);
    }
    begin = end + 1;
  }
  return "";
}
