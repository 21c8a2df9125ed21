#include "bench/load/jwt.h"

#include <gtest/gtest.h>

namespace covet::bench {
namespace {

// Expected tokens computed with Python's hmac, json and base64 modules.
TEST(JwtTest, SubjectOnly) {
  EXPECT_EQ(MintToken({.subject = "u", .issued_at = 1, .expires_at = 2}, "k"),
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ1IiwiaWF0IjoxLCJleHAiOjJ9.3H-Jug"
            "9VNmBHCPItLlGCqs0Dl2Cf7dximnnqmpBdqTw");
}

TEST(JwtTest, EveryClaim) {
  EXPECT_EQ(MintToken({.subject = "bench_7",
                       .roles = {"admin", "member"},
                       .issuer = "covet",
                       .audience = "edge",
                       .key_id = "main",
                       .issued_at = 1700000000,
                       .expires_at = 1700003600},
                      "secret-of-thirty-two-bytes-or-so"),
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6Im1haW4ifQ.eyJzdWIiOiJiZW5jaF83Iiwia"
            "WF0IjoxNzAwMDAwMDAwLCJleHAiOjE3MDAwMDM2MDAsInJvbGVzIjpbImFkbWluIiwibWVtYmVyIl0sI"
            "mlzcyI6ImNvdmV0IiwiYXVkIjoiZWRnZSJ9.19wZn2lX4PUJT1XnUhuiI2IaPO8HOtyO6Am8QT9W1LE");
}

}  // namespace
}  // namespace covet::bench
