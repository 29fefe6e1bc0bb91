import com.marcnuri.helm.Helm;
import java.nio.file.Files;
import java.nio.file.Path;

/** Arguments: chart, values file, chart, values file, ... Writes FILE.out and FILE.notes, or FILE.error: what Helm says. */
public class Render {
    private static final String KUBERNETES = "1.34.0";

    public static void main(String[] arguments) throws Exception {
        for (int at = 0; at < arguments.length; at += 2) {
            Path values = Path.of(arguments[at + 1]);
            try {
                Helm chart = new Helm(Path.of(arguments[at]));
                String manifests = chart.template().withName("people").withNamespace("search")
                    .withKubeVersion(KUBERNETES).withValuesFile(values).call();
                String notes = chart.install().clientOnly().dryRun().withName("people").withNamespace("search")
                    .withKubeVersion(KUBERNETES).withValuesFile(values).call().getOutput();
                Files.writeString(Path.of(values + ".out"), manifests);
                Files.writeString(Path.of(values + ".notes"), notes);
            } catch (RuntimeException refused) {
                Files.writeString(Path.of(values + ".error"), String.valueOf(refused.getMessage()));
            }
        }
    }
}
