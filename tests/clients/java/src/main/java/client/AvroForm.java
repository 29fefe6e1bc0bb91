package client;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.generic.GenericRecordBuilder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;

/** Avro in Confluent wire format: a zero byte, the schema's id in four bytes, the record. */
final class AvroForm implements Form {
  private static final int HEADER_BYTES = 5;

  private final HttpClient http = HttpClient.newHttpClient();
  private final ObjectMapper json = new ObjectMapper();
  private final Map<Integer, Schema> known = new ConcurrentHashMap<>();
  private final String registry;
  private final int requestId;
  private final Schema request;

  AvroForm(String registry, String requestsTopic) throws Exception {
    this.registry = registry;
    JsonNode latest = get("/subjects/" + requestsTopic + "-value/versions/latest");
    this.requestId = latest.get("id").asInt();
    this.request = new Schema.Parser().parse(latest.get("schema").asText());
  }

  @Override
  public byte[] write(Question question) throws Exception {
    Schema filters = request.getField("filters").schema();
    Schema filter = filters.getElementType();
    GenericRecord condition =
        new GenericRecordBuilder(filter)
            .set("field", "profile_id")
            .set("operator", new GenericData.EnumSymbol(filter.getField("operator").schema(), "eq"))
            .set("values", List.of(question.profileId()))
            .build();
    GenericRecord record =
        new GenericRecordBuilder(request)
            .set("query", question.query())
            .set("limit", 3)
            .set("deadline_at", question.deadlineAt())
            .set("filters", List.of(condition))
            .build();
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    DataOutputStream framed = new DataOutputStream(bytes);
    framed.writeByte(0);
    framed.writeInt(requestId);
    BinaryEncoder encoder = EncoderFactory.get().directBinaryEncoder(framed, null);
    new GenericDatumWriter<GenericRecord>(request).write(record, encoder);
    return bytes.toByteArray();
  }

  @Override
  public Answer read(byte[] value) throws Exception {
    ByteBuffer framed = ByteBuffer.wrap(value);
    if (framed.get() != 0) {
      throw new IllegalStateException("not in Confluent wire format");
    }
    Schema writer = schema(framed.getInt());
    GenericRecord reply =
        new GenericDatumReader<GenericRecord>(writer)
            .read(null, DecoderFactory.get().binaryDecoder(value, HEADER_BYTES, value.length - HEADER_BYTES, null));
    List<String> found = new ArrayList<>();
    for (Object hit : (List<?>) reply.get("hits")) {
      found.add(((GenericRecord) hit).get("profile_id").toString());
    }
    Object error = reply.get("error");
    return new Answer(reply.get("status").toString(), error == null ? null : error.toString(), found);
  }

  @Override
  public String contentType() {
    return null;
  }

  private Schema schema(int id) throws Exception {
    Schema found = known.get(id);
    if (found == null) {
      found = new Schema.Parser().parse(get("/schemas/ids/" + id).get("schema").asText());
      known.put(id, found);
    }
    return found;
  }

  private JsonNode get(String path) throws Exception {
    HttpRequest asked = HttpRequest.newBuilder(URI.create(registry + path)).build();
    HttpResponse<String> answer = http.send(asked, HttpResponse.BodyHandlers.ofString());
    if (answer.statusCode() != 200) {
      throw new IllegalStateException(path + ": " + answer.statusCode());
    }
    return json.readTree(answer.body());
  }
}
