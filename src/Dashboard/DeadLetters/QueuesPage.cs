using Postrider.Dashboard.Html;

namespace Postrider.Dashboard.DeadLetters;

/// <summary>The queues of this host and how many dead letters each has.</summary>
internal static class QueuesPage
{
    public static Markup Show(IReadOnlyList<(string Queue, long? Count)> queues) => $"""
        {(queues.Count == 0 ? $"<p>This host consumes no queue.</p>" : Table(queues))}
        <form method="get" action="letters">
        <p><label for="queue">Another queue</label> <input id="queue" name="queue" required> <button>Show</button></p>
        </form>
        """;

    private static Markup Table(IReadOnlyList<(string Queue, long? Count)> queues) => $"""
        <table>
        <caption>Queues that this host consumes</caption>
        <thead><tr><th scope="col">Queue</th><th scope="col" class="number">Dead letters</th></tr></thead>
        <tbody>
        {queues.Select(Row)}
        </tbody>
        </table>
        """;

    private static Markup Row((string Queue, long? Count) one) => $"""
        <tr><th scope="row"><a href="letters?{new View { Queue = one.Queue }.ToQuery()}">{one.Queue}</a></th><td class="number">{Count(one.Count)}</td></tr>

        """;

    private static Markup Count(long? count) => count is { } known ? (Markup)$"{known}" : $"the broker has no such queue";
}
