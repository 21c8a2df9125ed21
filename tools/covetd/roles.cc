#include "tools/covetd/roles.h"

#include "edge/role/edge_role.h"
#include "services/files/files_role.h"
#include "services/rooms/rooms_role.h"
#include "services/rpc/rpc_role.h"
#include "services/streams/streams_role.h"

namespace covet::covetd {

std::vector<server::RoleEntry> Roles() {
  return {{"edge", edge::MakeEdgeRole},
          {"rooms", rooms::MakeRoomsRole},
          {"streams", streams::MakeStreamsRole},
          {"rpc", rpc::MakeRpcRole},
          {"files", files::MakeFilesRole}};
}

}  // namespace covet::covetd
