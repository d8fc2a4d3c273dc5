namespace Postrider;

/// <summary>
/// How a queue with priorities hands out: messages of a higher level (<see cref="PublishOptions.Priority"/>) first, those of one level in the order in which they
/// came. What a process has taken from the queue already is not overtaken.
/// </summary>
public sealed record PriorityOptions
{
    internal const int DefaultLowerOneIn = 10;

    /// <summary>
    /// While messages of lower levels wait behind those of the highest, at least one hand-out in so many is theirs, at least 2; 0: strict, so that lower ones wait for as
    /// long as higher ones come. Counted in each process.
    /// </summary>
    public int LowerOneIn { get; init; } = DefaultLowerOneIn;
}
