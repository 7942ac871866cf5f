//===- Entry.cpp - The syntax of --entry ----------------------------------===//

#include "lpu/Import/ONNX.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/Twine.h"

using namespace llvm;

Expected<lpu::EntrySpec> lpu::parseEntry(StringRef text) {
  auto fail = [&](const Twine &message) {
    return createStringError("--entry " + Twine(text) + ": " + message);
  };
  auto [name, items] = text.split(':');
  EntrySpec entry;
  entry.name = name.str();
  if (name.empty() || name.contains('=')) {
    return fail("expected NAME[:DIMENSION=SIZE,INPUT:max=VALUE,...]");
  }
  SmallVector<StringRef> parts;
  items.split(parts, ',', -1, /*KeepEmpty=*/false);
  for (StringRef part : parts) {
    auto [key, number] = part.rsplit('=');
    bool isMax = key.consume_back(":max");
    int64_t value = 0;
    if (key.empty() || number.empty() || number.getAsInteger(10, value)) {
      return fail("expected DIMENSION=SIZE or INPUT:max=VALUE, got '" + part +
                  "'");
    }
    if (value < 1) {
      return fail("expected at least 1, got '" + part + "'");
    }
    auto &list = isMax ? entry.inputMax : entry.dims;
    for (auto &[other, ignored] : list) {
      if (other == key) {
        return fail("'" + key + "' is given twice");
      }
    }
    list.emplace_back(key.str(), value);
  }
  return entry;
}
