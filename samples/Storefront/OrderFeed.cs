namespace Postrider.Storefront;

/// <summary>Publishes each line of the input as one order, as it is. Many at once, but never more than <see cref="Accounting"/> lets begin.</summary>
public sealed class OrderFeed(IMessageBus bus, MessagingOptions options, Accounting accounting)
{
    private const int PublishesAtOnce = 64;

    /// <summary>Opens a file, or the standard input for <c>-</c>.</summary>
    public static Stream Open(string path) => path == "-"
        ? Console.OpenStandardInput()
        : new FileStream(path, new FileStreamOptions { Options = FileOptions.SequentialScan | FileOptions.Asynchronous });

    /// <exception cref="PublishException">The broker does not take orders any more; what was published before is under way.</exception>
    public async Task PublishAsync(Stream input, CancellationToken cancellationToken)
    {
        try
        {
            await Parallel.ForEachAsync(
                Lines.ReadAsync(input, options.MaxBodyBytes, cancellationToken),
                new ParallelOptions { MaxDegreeOfParallelism = PublishesAtOnce, CancellationToken = cancellationToken },
                (line, _) => PublishAsync(line, cancellationToken));
        }
        finally
        {
            accounting.InputEnded();
        }
    }

    private async ValueTask PublishAsync(Line line, CancellationToken cancellationToken)
    {
        if (line.IsBlank)
        {
            accounting.Skip();
            return;
        }

        await accounting.BeginAsync(line.Number, cancellationToken);
        try
        {
            await bus.PublishAsync(
                new SubmittedOrder(line.Text),
                new PublishOptions { Headers = accounting.HeadersOf(line.Number), RequireSubscribers = true },
                cancellationToken);
        }
        catch (PublishException e)
        {
            accounting.NotPublished(line.Number, e.Message);
            if (e.Status != PublishStatus.Rejected)
            {
                throw; // Not this order is at fault, but the broker: the next one would fare no better.
            }
        }
    }
}
