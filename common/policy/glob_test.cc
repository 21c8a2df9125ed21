#include "common/policy/glob.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "common/base/id_generator.h"

namespace covet::policy {
namespace {

// The definition, slow and plain: row i tells which prefixes of `text` the first i pattern
// characters match.
bool Reference(std::string_view pattern, std::string_view text) {
  std::vector<bool> row(text.size() + 1, false);
  row[0] = true;
  for (const char c : pattern) {
    std::vector<bool> next(text.size() + 1, false);
    bool any = false;
    for (size_t j = 0; j <= text.size(); ++j) {
      any = any || row[j];
      next[j] = c == '*' ? any : (j > 0 && row[j - 1] && text[j - 1] == c);
    }
    row = next;
  }
  return row[text.size()];
}

TEST(GlobTest, MatchesWholeText) {
  EXPECT_TRUE(GlobMatch("project_123", "project_123"));
  EXPECT_FALSE(GlobMatch("project_123", "project_1234"));
  EXPECT_FALSE(GlobMatch("project_123", "a_project_123"));
  EXPECT_TRUE(GlobMatch("project_*", "project_"));
  EXPECT_TRUE(GlobMatch("project_*", "project_123"));
  EXPECT_FALSE(GlobMatch("project_*", "project"));
  EXPECT_TRUE(GlobMatch("*", ""));
  EXPECT_TRUE(GlobMatch("", ""));
  EXPECT_FALSE(GlobMatch("", "a"));
}

TEST(GlobTest, PrefixAndSuffixNeverShareCharacters) {
  EXPECT_FALSE(GlobMatch("ab*ba", "aba"));
  EXPECT_TRUE(GlobMatch("ab*ba", "abba"));
  EXPECT_FALSE(GlobMatch("a*a", "a"));
  EXPECT_FALSE(GlobMatch("a*b*b", "ab"));
}

TEST(GlobTest, OnlyTheStarIsSpecial) {
  EXPECT_TRUE(GlobMatch("a?[b]\\", "a?[b]\\"));
  EXPECT_FALSE(GlobMatch("a?", "ab"));
  EXPECT_FALSE(GlobMatch("[ab]", "a"));
  // Embedded NULs are characters like others.
  EXPECT_TRUE(GlobMatch(std::string_view("a*\0b", 4), std::string_view("axx\0b", 5)));
  EXPECT_FALSE(GlobMatch("a", std::string_view("a\0", 2)));
}

TEST(GlobTest, AgreesWithTheDefinitionOnRandomInput) {
  SeededIds random(42);
  int matches = 0;
  for (int round = 0; round < 200'000; ++round) {
    std::string pattern;
    std::string text;
    for (uint64_t n = random.Random64() % 8; n > 0; --n) pattern += "ab*"[random.Random64() % 3];
    for (uint64_t n = random.Random64() % 10; n > 0; --n) text += "ab"[random.Random64() % 2];
    const bool expected = Reference(pattern, text);
    matches += expected;
    ASSERT_EQ(GlobMatch(pattern, text), expected) << pattern << " on " << text;
  }
  EXPECT_GT(matches, 10'000);
}

TEST(GlobTest, DoesNotBlowUp) {
  // Exponential for a recursive matcher, hours for one that goes back: finishes at once here.
  std::string pattern;
  for (int i = 0; i < 10'000; ++i) pattern += "*aaaaaaaab";
  const std::string text(4'000'000, 'a');
  EXPECT_FALSE(GlobMatch(pattern, text));
  EXPECT_FALSE(GlobMatch("*" + std::string(1'000'000, 'a') + "b*", text));
}

}  // namespace
}  // namespace covet::policy
