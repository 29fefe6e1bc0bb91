package client;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;

/** JSON, which needs no registry. */
final class JsonForm implements Form {
  private final ObjectMapper json = new ObjectMapper();

  @Override
  public byte[] write(Question question) throws Exception {
    ObjectNode request = json.createObjectNode();
    request.put("query", question.query());
    request.put("limit", 3);
    request.put("deadline_at", question.deadlineAt());
    ObjectNode filter = request.putArray("filters").addObject();
    filter.put("field", "profile_id").put("operator", "eq").putArray("values").add(question.profileId());
    return json.writeValueAsBytes(request);
  }

  @Override
  public Answer read(byte[] value) throws Exception {
    JsonNode reply = json.readTree(value);
    List<String> found = new ArrayList<>();
    reply.get("hits").forEach(hit -> found.add(hit.get("profile_id").asText()));
    return new Answer(reply.get("status").asText(), reply.path("error").asText(null), found);
  }

  @Override
  public String contentType() {
    return "application/json";
  }
}
