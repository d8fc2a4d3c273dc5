using Postrider.Dashboard.Html;

namespace Postrider.Dashboard.DeadLetters;

/// <summary>How a change goes, or how it went.</summary>
internal static class RunPage
{
    public static Markup Show(Visit visit, Run run)
    {
        Markup gone = run.Gone == 0 ? Markup.None : $" {run.Gone} were gone already.";
        return $"""
            <p>{run.What}</p>
            <p role="status"><strong>{run.Done} done</strong>{State(run)}{gone}</p>
            {(run.Error is null ? Markup.None : Failed(run.Error))}
            {(run.IsOver ? Markup.None : Stop(visit, run))}
            <p>Asked for by {run.User}, {visit.When(run.Began)}</p>
            <p><a href="letters?{run.View.ToQuery()}">Dead letters of {run.View.Queue}</a></p>
            """;
    }

    private static Markup State(Run run) => run switch
    {
        { IsOver: false } => $" so far. It goes on by itself, also when you leave; this page looks again every other second.",
        { Error: null } => $", and that was all.",
        _ => $", then it ended. The others are still there.",
    };

    private static Markup Failed(string error) => $"""<p role="alert">{error}</p>""";

    private static Markup Stop(Visit visit, Run run) => $"""
        <form method="post" action="stop">
        {visit.Token()}<input type="hidden" name="id" value="{run.Id}">
        <p><button>Stop</button></p>
        </form>
        """;
}
