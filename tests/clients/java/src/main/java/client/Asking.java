package client;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.springframework.kafka.core.DefaultKafkaConsumerFactory;
import org.springframework.kafka.core.DefaultKafkaProducerFactory;
import org.springframework.kafka.listener.ContainerProperties;
import org.springframework.kafka.listener.KafkaMessageListenerContainer;
import org.springframework.kafka.requestreply.ReplyingKafkaTemplate;
import org.springframework.kafka.requestreply.RequestReplyFuture;
import org.springframework.kafka.support.TopicPartitionOffset;

/** Asks every question of a file at once, in one way or another, and prints what came back as JSON lines. */
public final class Asking {
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  private final ObjectMapper json = new ObjectMapper();
  private final String bootstrap;
  private final String requests;
  private final String replies;

  private Asking(JsonNode told) {
    this.bootstrap = told.get("bootstrap").asText();
    this.requests = told.get("requests").asText();
    this.replies = told.get("replies").asText();
  }

  public static void main(String[] arguments) throws Exception {
    JsonNode told = new ObjectMapper().readTree(Files.readString(Path.of(arguments[0])));
    Asking asking = new Asking(told);
    List<Question> questions = new ArrayList<>();
    for (JsonNode one : told.get("questions")) {
      questions.add(
          new Question(
              one.get("id").asText(),
              one.get("query").asText(),
              one.get("profile_id").asText(),
              one.get("deadline_at").asLong()));
    }
    Form inJson = new JsonForm();
    Form inAvro = new AvroForm(told.get("registry").asText(), asking.requests);
    // Two instances of a service share the reply topic: each sees every reply and knows its own.
    try (Instance first = asking.shared("instance-1");
        Instance second = asking.shared("instance-2")) {
      List<Asked> asked = first.ask("json, shared topic, instance 1", inJson, questions);
      asked.addAll(second.ask("json, shared topic, instance 2", inJson, questions));
      asking.print(asked);
      asking.print(first.ask("avro, shared topic", inAvro, questions));
      asking.print(List.of(first.askInVain("no json", inJson, "{".getBytes(StandardCharsets.UTF_8))));
      asking.print(List.of(first.askInVain("no avro", inAvro, new byte[] {0, 0, 0, 0, 1, 2})));
    }
    try (Instance fixed = asking.onPartition(1)) {
      asking.print(fixed.ask("json, reply partition", inJson, questions));
      asking.print(fixed.ask("avro, reply partition", inAvro, questions));
    }
  }

  /** A member of a group of its own on a reply topic that others read too; no partition is asked for. */
  private Instance shared(String group) throws InterruptedException {
    ContainerProperties listened = new ContainerProperties(replies);
    listened.setGroupId(group);
    return new Instance(listened, true);
  }

  /** Listens to one partition, which the template then asks for by the header of the reply partition. */
  private Instance onPartition(int partition) throws InterruptedException {
    return new Instance(
        new ContainerProperties(new TopicPartitionOffset(replies, partition, TopicPartitionOffset.SeekPosition.END)),
        false);
  }

  private void print(List<Asked> asked) throws Exception {
    for (Asked one : asked) {
      ObjectNode line = json.createObjectNode().put("way", one.way()).put("id", one.id());
      try {
        ConsumerRecord<byte[], byte[]> record = one.reply().get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
        Header failed = record.headers().lastHeader("kith_error");
        Answer answer = one.form().read(record.value());
        line.put("status", answer.status()).put("error", answer.error()).put("partition", record.partition());
        line.put("header", failed == null ? null : new String(failed.value(), StandardCharsets.UTF_8));
        line.set("found", json.valueToTree(answer.profileIds()));
      } catch (ExecutionException error) {
        line.put("status", "none").put("error", String.valueOf(error.getCause()));
      }
      System.out.println(json.writeValueAsString(line));
    }
  }

  private record Asked(String way, String id, Form form, RequestReplyFuture<byte[], byte[], byte[]> reply) {}

  /** A template as Spring documents it, with its reply container. */
  private final class Instance implements AutoCloseable {
    private final DefaultKafkaProducerFactory<byte[], byte[]> producers;
    private final ReplyingKafkaTemplate<byte[], byte[], byte[]> template;

    private Instance(ContainerProperties listened, boolean shared) throws InterruptedException {
      producers =
          new DefaultKafkaProducerFactory<>(
              Map.of(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap),
              new ByteArraySerializer(),
              new ByteArraySerializer());
      DefaultKafkaConsumerFactory<byte[], byte[]> consumers =
          new DefaultKafkaConsumerFactory<>(
              Map.of(
                  ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap, ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "latest"),
              new ByteArrayDeserializer(),
              new ByteArrayDeserializer());
      template = new ReplyingKafkaTemplate<>(producers, new KafkaMessageListenerContainer<>(consumers, listened));
      template.setSharedReplyTopic(shared);
      template.setDefaultReplyTimeout(PATIENCE);
      template.afterPropertiesSet();
      template.start();
      if (!template.waitForAssignment(PATIENCE)) {
        throw new IllegalStateException("no partition of " + replies + " was assigned");
      }
    }

    private List<Asked> ask(String way, Form form, List<Question> questions) throws Exception {
      List<Asked> asked = new ArrayList<>();
      for (Question question : questions) {
        asked.add(send(way, question.id(), form, form.write(question)));
      }
      return asked;
    }

    private Asked askInVain(String way, Form form, byte[] value) {
      return send(way, way, form, value);
    }

    private Asked send(String way, String id, Form form, byte[] value) {
      ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(requests, value);
      if (form.contentType() != null) {
        record.headers().add("content-type", form.contentType().getBytes(StandardCharsets.UTF_8));
      }
      return new Asked(way, id, form, template.sendAndReceive(record));
    }

    @Override
    public void close() {
      template.stop();
      template.destroy();
      producers.destroy();
    }
  }
}
