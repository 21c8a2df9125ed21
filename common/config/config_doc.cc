// config_doc PROTOSET PAGE: writes docs/configuration.md. config_doc --check PROTOSET PAGE: fails
// if it is stale.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "common/config/doc.h"

int main(int argc, char** argv) {
  const bool check = argc == 4 && std::string(argv[1]) == "--check";
  if (argc != 3 && !check) {
    std::fprintf(stderr, "usage: config_doc [--check] PROTOSET PAGE\n");
    return 2;
  }
  google::protobuf::FileDescriptorSet protos;
  std::ifstream in(argv[argc - 2], std::ios::binary);
  if (!protos.ParseFromIstream(&in)) {
    std::fprintf(stderr, "cannot read %s\n", argv[argc - 2]);
    return 1;
  }
  const auto page = covet::config::ConfigurationPage(protos);
  if (!page.ok()) {
    std::fprintf(stderr, "%s\n", std::string(page.status().message()).c_str());
    return 1;
  }
  const char* path = argv[argc - 1];
  if (!check) {
    std::ofstream(path) << *page;
    return 0;
  }
  std::ifstream old(path);
  const std::string text((std::istreambuf_iterator<char>(old)), std::istreambuf_iterator<char>());
  if (text == *page) return 0;
  std::fprintf(
      stderr,
      "%s is not what the configuration's declaration says; `ninja docs_configuration` renews it\n",
      path);
  return 1;
}
