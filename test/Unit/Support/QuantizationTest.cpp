#include "lpu/Support/Quantization.h"
#include <cmath>
#include <gmock/gmock.h>
#include <limits>

using namespace lpu;
using testing::ElementsAre;

TEST(Quantization, OneScaleForEachIndexOfTheAxis) {
  const float values[] = {254, -1, 0, //
                          -127, 3, 0};
  const int64_t shape[] = {2, 3};
  Int8Tensor columns = *quantizeInt8(values, shape, 1);
  EXPECT_THAT(columns.scales, ElementsAre(2, 3.0f / 127, 1));
  // -63.5 and -42.3 round; half goes to the even one.
  EXPECT_THAT(columns.values, ElementsAre(127, -42, 0, -64, 127, 0));
  EXPECT_THAT(dequantizeInt8(columns, shape, 1),
              ElementsAre(254, -42 * (3.0f / 127), 0, -128, 127 * (3.0f / 127), 0));
  Int8Tensor rows = *quantizeInt8(values, shape, 0);
  EXPECT_THAT(rows.scales, ElementsAre(2, 1));
  EXPECT_THAT(rows.values, ElementsAre(127, 0, 0, -127, 3, 0));
}

TEST(Quantization, InnerAxis) {
  const float values[] = {1, 2, 3, 4, 5, 6, 7, 8};
  const int64_t shape[] = {2, 2, 2};
  EXPECT_THAT(quantizeInt8(values, shape, 1)->scales, ElementsAre(6.0f / 127, 8.0f / 127));
}

TEST(Quantization, SmallestValues) {
  const float tiny = std::numeric_limits<float>::denorm_min();
  // Where the scale has few bits left, the value over it would leave int8.
  const float values[] = {tiny, 90 * tiny, 300 * tiny};
  const int64_t shape[] = {3};
  Int8Tensor tensor = *quantizeInt8(values, shape, 0);
  EXPECT_THAT(tensor.scales, ElementsAre(1, tiny, 2 * tiny));
  EXPECT_THAT(tensor.values, ElementsAre(0, 90, 127));
}

TEST(Quantization, RefusesWhatIsNotFinite) {
  const float values[] = {1, -std::numeric_limits<float>::infinity()};
  const int64_t shape[] = {2};
  EXPECT_EQ(quantizeInt8(values, shape, 0).status().message(),
            "expected finite weights, got -inf at element 1");
}
