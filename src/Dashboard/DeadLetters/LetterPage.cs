using System.Globalization;
using Postrider.Dashboard.Html;

namespace Postrider.Dashboard.DeadLetters;

/// <summary>One dead letter with all that it has.</summary>
internal static class LetterPage
{
    public static Markup Show(Visit visit, View view, DeadLetter letter, IReadOnlyList<string> queues)
    {
        var (envelope, info) = (letter.Envelope, letter.Info);
        return $"""
            <p><a href="letters?{view.ToQuery()}">Dead letters of {view.Queue}</a></p>
            <h2>Why it is here</h2>
            <dl>
            {Line("Reason", info.Reason.ToWireName())}{Line("In words", info.Description)}{Line("Exception", info.ExceptionType)}{Text("Its message", info.ExceptionMessage)}
            {Text("Stack trace", Lines(info.StackTrace))}{Time(visit, "Dead since", info.At)}{Line("Attempts", Number(info.Attempts))}{Line("Hand-outs without outcome", Number(info.Redeliveries))}
            {Line("Queue", info.Queue)}{Line("Topic", info.Topic)}{Line("Host", info.Host)}
            </dl>
            <h2>Message</h2>
            <dl>
            {Line("Id", envelope.Id)}{Line("Type", envelope.Type)}{Line("Version of its schema", Number(envelope.SchemaVersion))}{Line("Content type", envelope.ContentType)}
            {Line("Content encoding", envelope.ContentEncoding)}{Time(visit, "Sent", envelope.SentAt)}{Time(visit, "Occurred", envelope.OccurredAt)}{Time(visit, "Expires", envelope.ExpiresAt)}
            {Line("Topic", envelope.Topic)}{Line("Source", envelope.Source)}{Line("Key", envelope.Key)}{Line("Priority", Number(envelope.Priority))}{Line("Subject", envelope.Subject)}
            {Line("Correlation id", envelope.CorrelationId)}{Line("Causation id", envelope.CausationId)}{Line("Reply to", envelope.ReplyTo)}
            {Line("Trace parent", envelope.TraceParent)}{Line("Trace state", envelope.TraceState)}{Line("Baggage", envelope.Baggage)}
            </dl>
            {Headers(envelope.Headers)}
            <h2>Body</h2>
            {BodyView.Show(envelope.Body)}
            <p><a href="body?{view.ToQuery(letter.Position)}">Download the body</a></p>
            <h2>What to do with it</h2>
            <form method="post" action="letters">
            {Forms.NoDefault}{visit.Token()}{Forms.Of(view)}{At(letter)}
            {Forms.Buttons("selected", view.Queue, queues)}
            </form>
            {Edit(visit, view, letter)}
            """;
    }

    private static Markup Edit(Visit visit, View view, DeadLetter letter)
    {
        if (BodyView.Editable(letter.Envelope) is not { } text)
        {
            var alone = new View { Queue = view.Queue, Filter = new() { MessageId = letter.Envelope.Id } };
            return $"""
                <p>It cannot be edited here: it is too large, or has characters that a form would change.
                <a href="export?{alone.ToQuery()}">Export it</a>, edit the line, import that, and discard this one.</p>
                """;
        }

        // A browser drops the first line end of a text field.
        return $"""
            <details>
            <summary>Edit and replay</summary>
            <form method="post" action="edit">
            {Forms.NoDefault}{visit.Token()}{Forms.Of(view)}{At(letter)}
            <p><label for="type">Type</label> <input id="type" name="type" value="{letter.Envelope.Type:exact}"></p>
            <p><label for="content-type">Content type</label> <input id="content-type" name="content-type" value="{letter.Envelope.ContentType:exact}"></p>
            <p><label for="body">Body</label></p>
            <p><textarea id="body" name="body" rows="16" spellcheck="false">
            {text:exact}</textarea></p>
            <p><button>Replay as edited</button></p>
            </form>
            </details>
            """;
    }

    private static Markup At(DeadLetter letter) => $"""<input type="hidden" name="at" value="{Uri.EscapeDataString(letter.Position):exact}">""";

    private static Markup Headers(IReadOnlyDictionary<string, string> headers) => headers.Count == 0
        ? Markup.None
        : $"""
          <table>
          <caption>Headers</caption>
          <thead><tr><th scope="col">Name</th><th scope="col">Value</th></tr></thead>
          <tbody>
          {headers.OrderBy(static one => one.Key, StringComparer.Ordinal).Select(static one => Header(one.Key, one.Value))}
          </tbody>
          </table>
          """;

    private static Markup Header(string name, string value) => $"""
        <tr><th scope="row">{Visible.Short(name, 1_000)}</th><td class="long">{Visible.Short(value, 10_000)}</td></tr>

        """;

    private static Markup Line(string name, string? value) => value is null ? Markup.None : $"""<dt>{name}</dt><dd class="long">{Visible.Short(value, 10_000)}</dd>""";

    private static Markup Text(string name, string? value) => value is null ? Markup.None : $"""<dt>{name}</dt><dd><pre tabindex="0" aria-label="{name}">{value}</pre></dd>""";

    /// <summary>A header has no line ends: they became spaces.</summary>
    private static string? Lines(string? stackTrace) => stackTrace?.Replace("    at ", "\n   at ", StringComparison.Ordinal);

    private static Markup Time(Visit visit, string name, DateTimeOffset? value) => value is null ? Markup.None : $"""<dt>{name}</dt><dd>{visit.When(value)}</dd>""";

    private static string? Number(int? number) => number?.ToString(CultureInfo.InvariantCulture);
}
