using Kind = Postrider.Testing.LedgerEventKind;

namespace Postrider.Testing.Tests;

/// <summary>Histories of several processes as one.</summary>
public sealed class LedgerFileTests
{
    [Fact]
    public void A_ledger_written_and_merged_is_the_same()
    {
        var written = new Ledger(process: "one");
        written.Record(new(Kind.HandedOut, "ä\"\n") { Queue = "q", Key = "k", Attempt = 2, HandOut = 3, Delay = TimeSpan.FromSeconds(1.5) });
        written.Handled("b", "q");
        using var file = new MemoryStream();
        LedgerFile.Write(written, file);
        file.Position = 0;

        var merged = new Ledger(process: "two");
        LedgerFile.Merge(merged, file);

        Assert.Equal(written.Events(), merged.Events());
    }

    [Fact]
    public void The_publisher_and_the_consumer_may_be_two_processes()
    {
        using var journal = new MemoryStream();
        var publisher = new Ledger(process: "publisher", journal: journal);
        publisher.Record(new(Kind.Publishing, "a"));
        publisher.Record(new(Kind.Confirmed, "a"));
        publisher.Record(new(Kind.Publishing, "b"));
        publisher.Record(new(Kind.Confirmed, "b"));
        var consumer = new Ledger(process: "consumer", journal: journal);
        consumer.Handled("a", "q");
        journal.Position = 0;

        var whole = new Ledger();
        LedgerFile.Merge(whole, journal);

        Assert.Equal(["b"], whole.Check().Lost.Ids);
        Assert.Equal(5, whole.Count);
    }

    [Fact]
    public void A_last_line_cut_by_a_kill_is_left_out_and_a_broken_one_before_is_not()
    {
        using var journal = new MemoryStream();
        new Ledger(journal: journal).Handled("a", "q");
        journal.Write("{\"Kind\":\"Hand"u8);
        journal.Position = 0;
        var ledger = new Ledger();

        LedgerFile.Merge(ledger, journal);
        Assert.Equal(1, ledger.Count);

        journal.Write("\n{}\n"u8);
        journal.Position = 0;
        Assert.Throws<InvalidDataException>(() => LedgerFile.Merge(new(), journal));
    }

    [Fact]
    public async Task Recording_from_many_threads_keeps_everything()
    {
        var path = Path.Combine(AppContext.BaseDirectory, $"{Guid.NewGuid():N}.ndjson");
        var ledger = new Ledger();
        try
        {
            await using (var journal = LedgerFile.OpenJournal(path))
            {
                var recorded = new Ledger(journal: journal);
                await Task.WhenAll(Enumerable.Range(0, 8).Select(thread => Task.Run(() =>
                {
                    for (var i = 0; i < 500; i++)
                    {
                        recorded.Handled($"{thread}-{i}", "q");
                    }
                })));
                Assert.Equal(4000, recorded.Count);
            }

            await using var file = File.OpenRead(path);
            LedgerFile.Merge(ledger, file);
        }
        finally
        {
            File.Delete(path);
        }

        Assert.Equal(4000, ledger.Check().Handled);
    }
}
