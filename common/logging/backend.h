#pragma once

#include <string>

namespace covet::log::internal {

// Hands a finished line, without its newline, to the writer.
void Emit(std::string line);
// The same for the audit log, which waits rather than drops when its queue is full.
void EmitAudit(std::string line);
// Appends `,"target":"…"` if the process has one.
void AppendTarget(std::string* line);

}  // namespace covet::log::internal
